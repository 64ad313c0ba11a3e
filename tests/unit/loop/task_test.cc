#include <gtest/gtest.h>
#include <troupe/task.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "loop/loop.h"
#include "loop/task_group.h"

namespace troupe::loop {
namespace {

// Where a coroutine waits until the test opens it. Knows whether somebody waits: not any more, when the task
// was cancelled.
class Gate {
 public:
  struct Waiting {
    explicit Waiting(Gate& gate) : gate(&gate) {}
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting() {
      if (gate->waiting_ == this) gate->waiting_ = nullptr;
    }
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> self) {
      handle = self;
      gate->waiting_ = this;
    }
    int await_resume() const { return gate->value_; }

    Gate* gate;
    std::coroutine_handle<> handle;
  };
  Waiting operator co_await() { return Waiting(*this); }

  bool awaited() const { return waiting_ != nullptr; }
  void open(int value = 0) {
    value_ = value;
    std::exchange(waiting_, nullptr)->handle.resume();
  }

 private:
  Waiting* waiting_ = nullptr;
  int value_ = 0;
};

Task<int> now(int value) { co_return value; }
Task<int> from(Gate& gate) { co_return co_await gate; }
Task<> fail() {
  throw std::runtime_error("failed");
  co_return;
}

template <class T>
T runToEnd(Task<T> task) {
  task.resume();
  EXPECT_TRUE(task.done());
  return task.take();
}

TEST(Task, IsLazyAndGivesItsValue) {
  bool started = false;
  const auto body = [&]() -> Task<std::string> {
    started = true;
    co_return "value";
  };
  Task<std::string> task = body();
  EXPECT_FALSE(started);
  EXPECT_FALSE(task.done());
  EXPECT_EQ(runToEnd(std::move(task)), "value");
}

TEST(Task, AValueThatCanOnlyBeMovedComesOut) {
  const auto make = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
  const auto pass = [&]() -> Task<std::unique_ptr<int>> { co_return co_await make(); };
  EXPECT_EQ(*runToEnd(pass()), 7);
}

TEST(Task, AnExceptionComesOutOfTheAwait) {
  const auto body = []() -> Task<std::string> {
    try {
      co_await fail();
    } catch (const std::runtime_error& error) {
      co_return error.what();
    }
    co_return "nothing";
  };
  EXPECT_EQ(runToEnd(body()), "failed");
  EXPECT_THROW(runToEnd(fail()), std::runtime_error);
}

TEST(Task, AnExceptionComesOutOfAnAwaitThatHasSlept) {
  Gate gate;
  const auto sleepy = [&]() -> Task<> {
    co_await gate;
    co_await fail();
  };
  const auto body = [&]() -> Task<bool> {
    try {
      co_await sleepy();
    } catch (const std::runtime_error&) {
      co_return true;
    }
    co_return false;
  };
  Task<bool> task = body();
  task.resume();
  EXPECT_FALSE(task.done());
  gate.open();
  EXPECT_TRUE(task.done());
  EXPECT_TRUE(task.take());
}

TEST(Task, AChainThatSleepsGoesOnWhereItWas) {
  Gate gate;
  const auto outer = [&]() -> Task<int> { co_return 10 * co_await from(gate) + co_await from(gate); };
  Task<int> task = outer();
  task.resume();
  gate.open(4);
  EXPECT_FALSE(task.done());
  gate.open(2);
  EXPECT_EQ(task.take(), 42);
}

// Frames that pile up would overflow the stack long before the end, in builds without tail calls.
TEST(Task, AMillionAwaitsInALoopLeaveNoStackBehind) {
  const auto immediate = []() -> Task<long> {
    long sum = 0;
    for (int i = 0; i < 1'000'000; ++i) sum += co_await now(1);
    co_return sum;
  };
  EXPECT_EQ(runToEnd(immediate()), 1'000'000);

  Gate gate;
  const auto mixed = [&]() -> Task<long> {
    long sum = co_await from(gate);
    for (int i = 0; i < 1'000'000; ++i) sum += co_await now(1);
    sum += co_await from(gate);
    co_return sum;
  };
  Task<long> task = mixed();
  task.resume();
  gate.open(1);
  gate.open(1);
  EXPECT_EQ(task.take(), 1'000'002);
}

TEST(Task, AMillionAwaitsThatSleepLeaveNoStackBehind) {
  Gate gate;
  const auto body = [&]() -> Task<long> {
    long sum = 0;
    for (int i = 0; i < 1'000'000; ++i) sum += co_await from(gate);
    co_return sum;
  };
  Task<long> task = body();
  task.resume();
  while (gate.awaited()) gate.open(1);
  EXPECT_EQ(task.take(), 1'000'000);
}

Task<int> deep(int levels, Gate& gate) {
  if (levels == 0) co_return co_await gate;
  co_return 1 + co_await deep(levels - 1, gate);
}

TEST(Task, TasksThatAwaitTasksGoDeep) {
  Gate gate;
  Task<int> task = deep(1000, gate);
  task.resume();
  gate.open(0);
  EXPECT_EQ(task.take(), 1000);
}

TEST(Task, DestroyingASuspendedTaskCancelsItAllTheWay) {
  Gate gate;
  const auto local = std::make_shared<int>(1);
  const auto inner = [](Gate& at, std::shared_ptr<int>) -> Task<> { co_await at; };
  const auto outer = [&](std::shared_ptr<int> mine) -> Task<> { co_await inner(gate, mine); };
  {
    Task<> task = outer(local);
    task.resume();
    EXPECT_TRUE(gate.awaited());
    EXPECT_GT(local.use_count(), 2);
  }
  EXPECT_FALSE(gate.awaited());
  EXPECT_EQ(local.use_count(), 1);
  { const Task<> neverStarted = outer(local); }
  EXPECT_EQ(local.use_count(), 1);
}

TEST(Task, AwaitsAnythingThatCanBeAwaited) {
  struct Ready {
    bool await_ready() const { return true; }
    void await_suspend(std::coroutine_handle<>) const {}
    int await_resume() const { return 1; }
  };
  struct NotAfterAll {
    bool await_ready() const { return false; }
    bool await_suspend(std::coroutine_handle<>) const { return false; }
    int await_resume() const { return 2; }
  };
  struct Transfers {
    bool await_ready() const { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> self) const { return self; }
    int await_resume() const { return 4; }
  };
  struct Throws {
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<>) const { throw 8; }
    int await_resume() const { return 0; }
  };
  const auto body = []() -> Task<int> {
    NotAfterAll named;
    int sum = co_await Ready{} + co_await named + co_await Transfers{};
    try {
      co_await Throws{};
    } catch (int thrown) {
      sum += thrown;
    }
    co_return sum;
  };
  EXPECT_EQ(runToEnd(body()), 15);
}

// --- Groups
// ----------------------------------------------------------------------------------------------------------

class TaskGroupTest : public testing::Test {
 protected:
  Task<> waitAt(Gate& gate) {
    seen += "s";
    co_await gate;
    seen += "e";
  }
  Task<> failAt(Gate& gate) {
    co_await gate;
    throw std::runtime_error("failed");
  }

  std::string seen;
  Gate first;
  Gate second;
  TaskGroup group{[this](std::exception_ptr error) {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& thrown) {
      seen += thrown.what();
    }
  }};
};

TEST_F(TaskGroupTest, RunsATaskAtOnceAndKeepsItUntilItEnds) {
  group.spawn(waitAt(first));
  EXPECT_EQ(seen, "s");
  EXPECT_EQ(group.size(), 1u);

  first.open();

  EXPECT_EQ(seen, "se");
  EXPECT_EQ(group.size(), 0u);
}

TEST_F(TaskGroupTest, SaysWhenATaskHasEndedWell) {
  group.spawn(waitAt(first), [&] { seen += group.size() == 0 ? "!" : "?"; });
  first.open();
  group.spawn(fail(), [&] { seen += "never"; });
  EXPECT_EQ(seen, "se!failed");
}

TEST_F(TaskGroupTest, AFailureEndsOnlyItsTask) {
  group.spawn(waitAt(first));
  group.spawn(failAt(second));
  second.open();
  EXPECT_EQ(group.size(), 1u);
  first.open();
  EXPECT_EQ(seen, "sfailede");
}

TEST_F(TaskGroupTest, CancelsWhatSleeps) {
  group.spawn(waitAt(first), [&] { seen += "never"; });
  group.spawn(waitAt(second));
  group.cancelAll();
  EXPECT_EQ(group.size(), 0u);
  EXPECT_FALSE(first.awaited());
  EXPECT_EQ(seen, "ss");

  group.spawn(waitAt(first));
  first.open();
  EXPECT_EQ(seen, "ssse") << "the group goes on";
}

TEST_F(TaskGroupTest, IsCancelledWhenItGoes) {
  {
    TaskGroup shortLived([](std::exception_ptr) {});
    shortLived.spawn(waitAt(first));
  }
  EXPECT_FALSE(first.awaited());
}

TEST_F(TaskGroupTest, ATaskThatCancelsAllGoesOnUntilItSuspends) {
  const auto local = std::make_shared<int>(1);
  const auto inner = [this](std::shared_ptr<int>) -> Task<> {
    co_await second;
    group.cancelAll();
    seen += "on";
    co_await now(1);  // no suspension
    seen += "on";
    co_await second;
    seen += "never";
  };
  const auto outer = [&](std::shared_ptr<int> mine) -> Task<> { co_await inner(mine); };
  group.spawn(waitAt(first));
  group.spawn(outer(local));

  second.open();

  EXPECT_EQ(seen, "sonon");
  EXPECT_FALSE(first.awaited()) << "the other slept: it is gone";
  EXPECT_FALSE(second.awaited());
  EXPECT_EQ(group.size(), 0u);
  EXPECT_EQ(local.use_count(), 1);
}

TEST_F(TaskGroupTest, ATaskThatCancelsAllAndEndsHasEndedWell) {
  const auto body = [this]() -> Task<> {
    group.cancelAll();
    co_return;
  };
  group.spawn(body(), [&] { seen += "done"; });
  EXPECT_EQ(seen, "done");
  EXPECT_EQ(group.size(), 0u);
}

TEST_F(TaskGroupTest, ATaskMayStartOthers) {
  const auto parent = [this]() -> Task<> {
    group.spawn(waitAt(first), [this] { group.spawn(waitAt(second)); });
    co_return;
  };
  group.spawn(parent());
  EXPECT_EQ(group.size(), 1u);
  first.open();
  second.open();
  EXPECT_EQ(seen, "sese");
  EXPECT_EQ(group.size(), 0u);
}

TEST_F(TaskGroupTest, OneCancelledTaskMayWakeAnother) {
  struct Opener {
    Gate* gate;
    ~Opener() {
      if (gate->awaited()) gate->open();
    }
  };
  const auto holder = [this]() -> Task<> {
    const Opener opener{&second};
    co_await first;
  };
  group.spawn(holder());
  group.spawn(waitAt(second));
  group.cancelAll();
  EXPECT_EQ(group.size(), 0u);
}

TEST_F(TaskGroupTest, WhatItsReportsThrowLeavesTheLoop) {
  Loop loop;
  CurrentLoop current(loop);
  TaskGroup strict([](std::exception_ptr error) { std::rethrow_exception(error); });
  strict.spawn(fail());
  EXPECT_THROW(loop.run(), std::runtime_error);
  strict.spawn(waitAt(first), [] { throw 1; });
  loop.post([&] { first.open(); });
  EXPECT_THROW(loop.run(), int);
}

}  // namespace
}  // namespace troupe::loop
