#include "os/shared_memory.h"

#include <gtest/gtest.h>
#include <troupe/error.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <new>

#include "os/channel.h"
#include "os/output.h"
#include "tests/unit/os/children.h"

namespace troupe::os {
namespace {

constexpr std::size_t kBytes = 8192;

TEST(SharedMemory, AllMappingsSeeOneMemory) {
  const Fd memory = makeSharedMemory("desk", kBytes);
  const Mapping mine(memory, kBytes);
  auto* number = new (mine.data()) std::atomic<int>(1);

  test::Child child([&] {
    const Mapping its(openSharedMemory(memory), kBytes);
    auto* same = static_cast<std::atomic<int>*>(its.data());
    const int seen = same->load();
    same->store(2);
    return seen;
  });

  EXPECT_EQ(child.exitCode(), 1);
  EXPECT_EQ(number->load(), 2);
}

TEST(SharedMemory, ItsSizeIsFixed) {
  const Fd memory = makeSharedMemory("desk", kBytes);
  EXPECT_NE(::ftruncate(memory.get(), 0), 0);
  EXPECT_NE(::ftruncate(memory.get(), 2 * kBytes), 0);
  EXPECT_THROW(Mapping(memory, kBytes + 1), Error);
}

TEST(SharedMemory, GivesAStretchBack) {
  const Fd memory = makeSharedMemory("sparse", 1 << 20);
  EXPECT_EQ(sizeOf(memory), 1U << 20);
  EXPECT_TRUE(isUntouched(memory));
  const Mapping mapping(memory, 1 << 20);
  std::memset(mapping.data(), 'x', 8192);
  EXPECT_FALSE(isUntouched(memory));
  ASSERT_TRUE(punchHole(memory, 0, 4096));
  EXPECT_EQ(static_cast<const char*>(mapping.data())[4095], 0);
  EXPECT_EQ(static_cast<const char*>(mapping.data())[4096], 'x');
  ASSERT_TRUE(punchHole(memory, 0, 8192)) << "also what was only looked at takes a page";
  EXPECT_TRUE(isUntouched(memory));
  EXPECT_FALSE(punchHole({}, 0, 4096));
}

TEST(SharedMemory, SaysWhichPartOfItIsInUse) {
  constexpr std::size_t kPage = 4096;
  const Fd memory = makeSharedMemory("memory", 64 * kPage);
  const Mapping mapping(memory, 64 * kPage);
  EXPECT_EQ(findUsed(memory, 0, 64 * kPage).from, 64 * kPage) << "none";
  auto* const bytes = static_cast<volatile char*>(mapping.data());
  for (const std::size_t page : {5, 6, 40}) bytes[page * kPage] = 1;

  const Stretch first = findUsed(memory, 0, 64 * kPage);
  EXPECT_EQ(first.from, 5 * kPage);
  EXPECT_EQ(first.to, 7 * kPage);
  const Stretch second = findUsed(memory, first.to, 64 * kPage);
  EXPECT_EQ(second.from, 40 * kPage);
  EXPECT_EQ(second.to, 41 * kPage);
  EXPECT_EQ(findUsed(memory, second.to, 64 * kPage).from, 64 * kPage);
  EXPECT_EQ(findUsed(memory, 6 * kPage, 6 * kPage + 100).to, 6 * kPage + 100) << "not beyond";
  EXPECT_EQ(findUsed(memory, 8 * kPage, 20 * kPage).from, 20 * kPage) << "nothing before it";
  EXPECT_EQ(findUsed({}, 10, 20).from, 10U) << "all, where it can't be told";
}

TEST(SharedMemory, AMappingMoves) {
  const Fd memory = makeSharedMemory("desk", kBytes);
  Mapping first(memory, kBytes);
  std::memcpy(first.data(), "hello", 6);

  Mapping second(std::move(first));
  EXPECT_FALSE(first.valid());
  first = std::move(second);

  EXPECT_STREQ(static_cast<const char*>(first.data()), "hello");
  EXPECT_EQ(first.bytes(), kBytes);
}

TEST(SharedMemory, IsOpenedFromAProcessThatHasIt) {
  Fd memory = makeSharedMemory("given", kBytes);
  const Mapping mapping(memory, kBytes);
  std::strcpy(static_cast<char*>(mapping.data()), "hello");
  const int number = memory.get();
  {
    const auto opened = openMemoryOf(::getpid(), number, false);
    ASSERT_TRUE(opened);
    EXPECT_STREQ(static_cast<const char*>(Mapping(*opened, kBytes).data()), "hello");
    const auto readOnly = openMemoryOf(::getpid(), number, true);
    ASSERT_TRUE(readOnly);
    EXPECT_TRUE(isReadOnly(*readOnly));
    EXPECT_FALSE(isReadOnly(*opened));
    EXPECT_THROW(Mapping(*readOnly, kBytes), Error);
    EXPECT_STREQ(static_cast<const char*>(Mapping::readOnly(*readOnly, kBytes).data()), "hello");
  }
  EXPECT_FALSE(openMemoryOf(::getpid(), 0, false)) << "something else";
  memory.reset();
  EXPECT_FALSE(openMemoryOf(::getpid(), number, false));
  test::Child child([] { return 0; });
  const pid_t ended = child.pid();
  child.wait();
  EXPECT_FALSE(openMemoryOf(ended, 3, false));
}

TEST(SharedMemory, AReadOnlyMappingIsNotWrittenTo) {
  const Fd memory = makeSharedMemory("seen", kBytes);
  test::Child child([&] {
    const Mapping mapping = Mapping::readOnly(memory, kBytes);
    ::signal(SIGSEGV, [](int) { ::_exit(77); });
    *static_cast<volatile char*>(mapping.data()) = 1;
    return 0;
  });
  EXPECT_EQ(child.exitCode(), 77);
}

TEST(SharedMemory, AMappingThatIsKeptFromForksIsNotThere) {
  const Fd memory = makeSharedMemory("mine", kBytes);
  Mapping mapping(memory, kBytes);
  mapping.keepFromForks();
  test::Child child([&] {
    ::signal(SIGSEGV, [](int) { ::_exit(77); });
    return static_cast<int>(*static_cast<volatile char*>(mapping.data()));
  });
  EXPECT_EQ(child.exitCode(), 77);
}

TEST(SharedMemoryLock, OfOneByteLeavesTheOthers) {
  const Fd memory = makeSharedMemory("desk", kBytes);
  Fd other = openSharedMemory(memory);
  ASSERT_TRUE(tryLockByte(other, 1'000'000));
  EXPECT_FALSE(tryLockByte(memory, 1'000'000));
  EXPECT_TRUE(byteLockedByAnother(memory, 1'000'000));
  EXPECT_FALSE(byteLockedByAnother(memory, 1'000'001));
  EXPECT_TRUE(tryLockByte(memory, 1'000'001));
  other.reset();
  EXPECT_FALSE(byteLockedByAnother(memory, 1'000'000));
}

TEST(SharedMemoryLock, BelongsToAnOpenDescription) {
  const Fd memory = makeSharedMemory("desk", kBytes);
  Fd other = openSharedMemory(memory);

  EXPECT_FALSE(lockedByAnother(memory));
  ASSERT_TRUE(tryLock(other));

  EXPECT_TRUE(tryLock(other)) << "its own lock does not stand in its way";
  EXPECT_FALSE(tryLock(memory));
  EXPECT_TRUE(lockedByAnother(memory));
  EXPECT_FALSE(lockedByAnother(other));
  const Fd copy = other.duplicate();
  other.reset();
  EXPECT_TRUE(lockedByAnother(memory)) << "a copy still holds the description";
}

TEST(SharedMemoryLock, IsHeldByAChildUntilItIsKilled) {
  const Fd memory = makeSharedMemory("desk", kBytes);
  Fd its = openSharedMemory(memory);
  ASSERT_TRUE(tryLock(its));
  OutputPipe ready = makeOutputPipe();
  test::Child child([&] {
    (void)!::write(ready.writer.get(), "r", 1);
    for (;;) ::pause();
    return 0;
  });
  ASSERT_TRUE(test::becomesReadable(ready.reader.get()));
  its.reset();

  EXPECT_TRUE(lockedByAnother(memory));
  EXPECT_FALSE(tryLock(memory));
  child.kill(SIGKILL);
  child.wait();

  EXPECT_FALSE(lockedByAnother(memory)) << "free by the time at which the death can be seen";
  EXPECT_TRUE(tryLock(memory));
}

TEST(SharedMemoryLock, IsHeldByADescriptorInFlight) {
  const Fd memory = makeSharedMemory("desk", kBytes);
  Fd travelling = openSharedMemory(memory);
  ASSERT_TRUE(tryLock(travelling));
  const auto [here, there] = makeChannel();
  const std::byte message{1};
  const int descriptor = travelling.get();
  ASSERT_EQ(sendOn(here.get(), {&message, 1}, {&descriptor, 1}), ChannelState::done);

  travelling.reset();

  EXPECT_TRUE(lockedByAnother(memory));
  ChannelMessage arrived;
  ASSERT_EQ(receiveFrom(there.get(), arrived), ChannelState::done);
  EXPECT_TRUE(lockedByAnother(memory));
  arrived.descriptors.clear();
  EXPECT_FALSE(lockedByAnother(memory));
}

}  // namespace
}  // namespace troupe::os
