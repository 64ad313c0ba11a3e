// The lock of shared memory: one holder at a time, whoever is killed with it.
#include "os/shared_lock.h"

#include <gtest/gtest.h>
#include <troupe/error.h>

#include <new>
#include <thread>

#include "os/output.h"
#include "os/shared_memory.h"
#include "tests/unit/os/children.h"

namespace troupe::os {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Outcome = SharedLock::Outcome;

constexpr seconds kLong{60};

struct Guarded {
  SharedLockWords lock;
  // Equal, but inside.
  std::uint64_t first;
  std::uint64_t second;
};

class SharedLockTest : public testing::Test {
 protected:
  Fd memory_ = makeSharedMemory("lock", 4096);
  Mapping mapping_{memory_, 4096};
  Guarded& guarded_ = *new (mapping_.data()) Guarded{};
  OutputPipe said_ = makeOutputPipe();

  void say() const { (void)!::write(said_.writer.get(), "x", 1); }
  void hear() const {
    char text = 0;
    ASSERT_TRUE(test::becomesReadable(said_.reader.get()));
    ASSERT_EQ(::read(said_.reader.get(), &text, 1), 1);
  }
  // A process that takes the lock, says so, and waits.
  test::Child holder() {
    return test::Child([this] {
      SharedLock lock(guarded_.lock, memory_);
      lock.lock(kLong);
      say();
      for (;;) ::pause();
      return 0;
    });
  }
};

TEST_F(SharedLockTest, HasOneHolderAtATime) {
  SharedLock first(guarded_.lock, memory_);
  SharedLock second(guarded_.lock, memory_);
  EXPECT_EQ(first.lock({}), Outcome::taken);
  EXPECT_EQ(first.lock(kLong), Outcome::again);
  EXPECT_EQ(second.lock({}), Outcome::timeOver);
  EXPECT_EQ(second.lock(milliseconds(20)), Outcome::timeOver);
  EXPECT_EQ(second.holder(), ::getpid());
  first.unlock();
  EXPECT_EQ(second.lock({}), Outcome::taken);
  second.unlock();
}

TEST_F(SharedLockTest, OneThatSleepsForItGetsItWhenItIsLetGo) {
  SharedLock mine(guarded_.lock, memory_);
  ASSERT_EQ(mine.lock({}), Outcome::taken);
  std::thread other([this] {
    SharedLock its(guarded_.lock, memory_);
    EXPECT_EQ(its.lock(kLong), Outcome::taken);
    its.unlock();
  });
  while ((guarded_.lock.holder.load() >> 31) == 0) std::this_thread::yield();
  mine.unlock();
  other.join();
  EXPECT_EQ(guarded_.lock.holder.load(), 0U);
}

TEST_F(SharedLockTest, IsTakenFromTheDead) {
  SharedLock mine(guarded_.lock, memory_);
  test::Child child = holder();
  hear();
  EXPECT_EQ(mine.lock(milliseconds(10)), Outcome::timeOver);
  EXPECT_EQ(mine.holder(), child.pid());
  child.kill(SIGKILL);
  EXPECT_EQ(mine.lock(kLong), Outcome::taken) << "while it waits, too";
  mine.unlock();
}

TEST_F(SharedLockTest, IsNotTakenFromWhoIsStopped) {
  SharedLock mine(guarded_.lock, memory_);
  test::Child child = holder();
  hear();
  child.kill(SIGSTOP);
  EXPECT_EQ(mine.lock(milliseconds(20)), Outcome::timeOver);
  EXPECT_EQ(mine.holder(), child.pid());
}

TEST_F(SharedLockTest, SpoiltWordsCostTimeAlone) {
  guarded_.lock.holder = 0xffff'fff0;
  guarded_.lock.users = 0xffff'ffff;
  SharedLock first(guarded_.lock, memory_);
  EXPECT_EQ(first.lock(kLong), Outcome::taken) << "that number has no living user";
  guarded_.lock.users = 0;
  SharedLock second(guarded_.lock, memory_);
  EXPECT_EQ(second.lock({}), Outcome::timeOver) << "it has got a number of its own";
  first.unlock();
  ASSERT_EQ(second.lock({}), Outcome::taken);
  const std::uint32_t itsNumber = guarded_.lock.holder;
  second.unlock();
  guarded_.lock.holder = itsNumber;
  EXPECT_EQ(second.lock(kLong), Outcome::taken) << "it knows that it does not hold it";
}

TEST_F(SharedLockTest, HoldsUnderKills) {
  const auto work = [this] {
    SharedLock lock(guarded_.lock, memory_);
    for (;;) {
      if (lock.lock(kLong) != Outcome::taken) return 1;
      // A holder that was killed in between has left these as they are.
      guarded_.second = guarded_.first;
      ++guarded_.first;
      const auto seen = guarded_.first;
      std::atomic_signal_fence(std::memory_order_seq_cst);
      if (guarded_.first != seen) return 2;
      guarded_.second = guarded_.first;
      lock.unlock();
    }
  };
  SharedLock mine(guarded_.lock, memory_);
  for (int i = 0; i < 100; ++i) {
    test::Child first(work);
    test::Child second(work);
    const auto before = guarded_.first;
    while (*static_cast<volatile std::uint64_t*>(&guarded_.first) < before + 50) std::this_thread::yield();
    first.kill(SIGKILL);
    EXPECT_EQ(first.wait(), SIGKILL) << "nobody else was inside";
    ASSERT_EQ(mine.lock(kLong), Outcome::taken);
    mine.unlock();
    second.kill(SIGKILL);
    EXPECT_EQ(second.wait(), SIGKILL);
  }
}

}  // namespace
}  // namespace troupe::os
