#include "loop/loop.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <troupe/error.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "os/output.h"
#include "os/packet_pipe.h"
#include "os/signals.h"

namespace troupe::loop {
namespace {

using namespace std::chrono_literals;

class LoopTest : public testing::Test {
 protected:
  LoopTest() { os::ignoreBrokenPipes(); }

  void expectInvalid(const std::function<void()>& deed) {
    try {
      deed();
      ADD_FAILURE() << "was not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid) << error.what();
    }
  }

  Loop loop;
  std::string seen;
};

TEST_F(LoopTest, EndsWhereNothingIsLeft) {
  loop.run();
  loop.post([&] { seen += "p"; });
  Timer timer(loop, [&] { seen += "t"; });
  timer.startIn(1ms);
  loop.run();
  EXPECT_EQ(seen, "pt");
  loop.run();
}

TEST_F(LoopTest, StopBeforeRunMakesItReturnAtOnce) {
  Timer timer(loop, [&] { seen += "t"; });
  timer.startIn(0ms);
  loop.stop();
  loop.run();
  EXPECT_EQ(seen, "");
  loop.run();
  EXPECT_EQ(seen, "t") << "once only";
}

TEST_F(LoopTest, StopEndsALoopThatHasMoreToDo) {
  const os::OutputPipe pipe = os::makeOutputPipe();
  Poll waits(loop, pipe.reader.get(), Interest::readable, [](bool, bool) {});
  loop.post([&] { loop.stop(); });
  loop.run();
}

TEST_F(LoopTest, RunningItFromItsOwnCallbackIsRefused) {
  loop.post([&] { loop.run(); });
  expectInvalid([&] { loop.run(); });
}

// --- Timers
// ----------------------------------------------------------------------------------------------------------

TEST_F(LoopTest, ATimerIsNeverEarly) {
  int fired = 0;
  for (const Duration delay : {0ns, 1ns, 300'000ns, 1'000'000ns, 1'500'000ns, 2'999'999ns, 7'000'001ns}) {
    for (int i = 0; i < 10; ++i) {
      Clock::time_point now;
      Timer timer(loop, [&] { now = Clock::now(); });
      const Clock::time_point due = Clock::now() + delay;
      if (i % 2 == 0)
        timer.startAt(due);
      else
        timer.startIn(delay);
      loop.run();
      EXPECT_GE(now, due) << delay.count();
      ++fired;
    }
  }
  EXPECT_EQ(fired, 70);
}

TEST_F(LoopTest, TimersFireInTheOrderOfTheirTimes) {
  Timer third(loop, [&] { seen += "3"; });
  Timer first(loop, [&] { seen += "1"; });
  Timer second(loop, [&] { seen += "2"; });
  const Clock::time_point now = Clock::now();
  third.startAt(now + 9ms);
  first.startAt(now + 1ms);
  second.startAt(now + 5ms);
  loop.run();
  EXPECT_EQ(seen, "123");
}

TEST_F(LoopTest, ATimeThatIsPastIsNow) {
  Timer timer(loop, [&] { seen += "t"; });
  timer.startAt(Clock::time_point::min());
  loop.run();
  timer.startIn(-1h);
  loop.run();
  EXPECT_EQ(seen, "tt");
}

TEST_F(LoopTest, ATimerThatWaitsForEverDoesNotOverflow) {
  Timer never(loop, [&] { seen += "never"; });
  Timer soon(loop, [&] { loop.stop(); });
  never.startIn(Duration::max());
  soon.startIn(1ms);
  loop.run();
  never.startAt(Clock::time_point::max());
  soon.startIn(1ms);
  loop.run();
  EXPECT_EQ(seen, "");
}

TEST_F(LoopTest, ACancelledTimerDoesNotFireAndAMovedOneFiresOnce) {
  Timer cancelled(loop, [&] { seen += "c"; });
  Timer moved(loop, [&] { seen += "m"; });
  auto gone = std::make_unique<Timer>(loop, [&] { seen += "g"; });
  cancelled.startIn(1ms);
  moved.startIn(1h);
  gone->startIn(1ms);
  cancelled.cancel();
  moved.startIn(2ms);
  gone.reset();
  loop.run();
  EXPECT_EQ(seen, "m");
}

TEST_F(LoopTest, ATimerMayRestartAndDestroyItselfFromItsCallback) {
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(loop, [&] {
    seen += "t";
    if (seen.size() < 3)
      timer->startIn(0ms);
    else
      timer.reset();
  });
  timer->startIn(0ms);
  loop.run();
  EXPECT_EQ(seen, "ttt");
}

TEST_F(LoopTest, WhatACallbackHoldsIsLetGoWithItsTimer) {
  const auto held = std::make_shared<int>(1);
  auto timer = std::make_unique<Timer>(loop, [held] {});
  timer.reset();
  EXPECT_EQ(held.use_count(), 1);
}

// --- Polls
// -----------------------------------------------------------------------------------------------------------

TEST_F(LoopTest, APollCallsWhileThereIsSomethingToRead) {
  const os::Fd pipe = os::makePacketPipe();
  std::vector<char> room(os::kPacketBytes);
  Poll poll(loop, pipe.get(), Interest::readable, [&](bool readable, bool writable) {
    EXPECT_TRUE(readable);
    EXPECT_FALSE(writable);
    const os::PacketRead read = os::readPacket(pipe.get(), room.data());
    seen.append(room.data(), read.bytes);
    if (seen.size() == 3) loop.stop();
  });
  for (const char* packet : {"a", "b", "c"}) os::writePacket(pipe.get(), packet, 1);
  loop.run();
  EXPECT_EQ(seen, "abc");
}

TEST_F(LoopTest, InterestCanChangeFromACallback) {
  const os::Fd pipe = os::makePacketPipe();
  std::optional<Poll> poll;
  poll.emplace(loop, pipe.get(), Interest::writable, [&](bool readable, bool writable) {
    seen += readable ? "r" : "";
    seen += writable ? "w" : "";
    if (seen == "w") {
      os::writePacket(pipe.get(), "x", 1);
      poll->want(Interest::readable);
    } else if (seen == "wr") {
      poll->want(Interest::both);
    } else {
      poll->want(Interest::none);
    }
  });
  loop.run();
  EXPECT_EQ(seen, "wrrw");
}

TEST_F(LoopTest, APollMayDestroyItselfAndOthersFromItsCallback) {
  const os::Fd pipes[] = {os::makePacketPipe(), os::makePacketPipe(), os::makePacketPipe()};
  std::vector<std::unique_ptr<Poll>> polls;
  for (const os::Fd& pipe : pipes) {
    os::writePacket(pipe.get(), "x", 1);
    polls.push_back(std::make_unique<Poll>(loop, pipe.get(), Interest::readable, [&](bool, bool) {
      seen += "p";
      polls.clear();
    }));
  }
  loop.run();
  EXPECT_EQ(seen, "p") << "all were ready, but the first has removed the others";
}

TEST_F(LoopTest, ANewPollOnTheSameDescriptorNumberHearsNothingOfTheOldOne) {
  os::Fd pipe = os::makePacketPipe();
  os::writePacket(pipe.get(), "x", 1);
  auto poll =
      std::make_unique<Poll>(loop, pipe.get(), Interest::readable, [&](bool, bool) { seen += "old"; });
  poll.reset();
  const int number = pipe.get();
  pipe.reset();
  pipe = os::makePacketPipe();
  ASSERT_EQ(pipe.get(), number);
  poll = std::make_unique<Poll>(loop, pipe.get(), Interest::both, [&](bool readable, bool writable) {
    seen += readable ? "r" : "";
    seen += writable ? "w" : "";
    loop.stop();
  });
  loop.run();
  EXPECT_EQ(seen, "w");
}

TEST_F(LoopTest, ADescriptorHasOnePollAtATimeButItsDuplicateMayHaveAnother) {
  const os::Fd pipe = os::makePacketPipe();
  Poll first(loop, pipe.get(), Interest::readable, [](bool, bool) {});
  expectInvalid([&] { Poll(loop, pipe.get(), Interest::readable, [](bool, bool) {}); });
  const os::Fd copy = pipe.duplicate();
  Poll second(loop, copy.get(), Interest::writable, [&](bool, bool) { loop.stop(); });
  loop.run();
}

TEST_F(LoopTest, TheOtherEndGoingIsReadableAndAnErrorIsBoth) {
  os::OutputPipe pipe = os::makeOutputPipe();
  {
    Poll poll(loop, pipe.writer.get(), Interest::writable, [&](bool readable, bool writable) {
      seen += readable ? "r" : "";
      seen += writable ? "w" : "";
      if (seen.size() > 4) loop.stop();
    });
    pipe.reader.reset();
    loop.run();
    EXPECT_EQ(seen, "rwrwrw") << "again and again, as anything that is not seen to";
  }
  os::OutputPipe other = os::makeOutputPipe();
  Poll poll(loop, other.reader.get(), Interest::readable, [&](bool readable, bool) {
    EXPECT_TRUE(readable);
    loop.stop();
  });
  other.writer.reset();
  loop.run();
}

TEST_F(LoopTest, WhoWaitsForAHangUpAloneHearsOfNothingElse) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const os::Fd here(ends[0]);
  os::Fd there(ends[1]);
  std::optional<Poll> poll;
  poll.emplace(loop, here.get(), Interest::hangUp, [&](bool readable, bool writable) {
    seen += readable || writable ? "r" : "h";
    poll.reset();
  });
  ASSERT_EQ(::write(there.get(), "x", 1), 1);
  Timer later(loop, [&] {
    EXPECT_EQ(seen, "");
    there.reset();
  });
  later.startIn(20ms);
  loop.run();
  EXPECT_EQ(seen, "h");
}

TEST_F(LoopTest, APlainFileIsRefused) {
  const os::Fd file(::memfd_create("file", MFD_CLOEXEC));
  expectInvalid([&] { Poll(loop, file.get(), Interest::readable, [](bool, bool) {}); });
}

// --- Work that is posted, and what happens before it sleeps
// ----------------------------------------------------------

TEST_F(LoopTest, PostedWorkRunsInOrder) {
  for (const char* name : {"a", "b", "c"}) loop.post([&, name] { seen += name; });
  loop.run();
  EXPECT_EQ(seen, "abc");
}

TEST_F(LoopTest, PostedWorkThatPostsMoreDoesNotStarveDescriptors) {
  const os::Fd pipe = os::makePacketPipe();
  os::writePacket(pipe.get(), "x", 1);
  bool ready = false;
  std::function<void()> again = [&] {
    if (!ready) loop.post(again);
  };
  Poll poll(loop, pipe.get(), Interest::readable, [&](bool, bool) {
    ready = true;
    loop.stop();
  });
  loop.post(again);
  loop.run();
  EXPECT_TRUE(ready);
}

TEST_F(LoopTest, BeforeSleepIsAskedUntilItHasNothingMoreToDo) {
  int left = 3;
  loop.beforeSleep([&] {
    seen += "h";
    return --left > 0;
  });
  loop.post([&] { seen += "p"; });
  loop.run();
  EXPECT_EQ(seen, "phhh") << "more to do is reason enough to go on";
}

TEST_F(LoopTest, BeforeSleepRunsAfterEachRoundAndCanBeRemoved) {
  const os::Fd pipe = os::makePacketPipe();
  std::vector<char> room(os::kPacketBytes);
  os::writePacket(pipe.get(), "x", 1);
  Poll poll(loop, pipe.get(), Interest::readable, [&](bool, bool) {
    os::readPacket(pipe.get(), room.data());
    seen += "p";
  });
  loop.beforeSleep([&] {
    seen += "h";
    if (seen == "hph") {
      loop.beforeSleep(nullptr);
      loop.post([&] { loop.stop(); });
    }
    return false;
  });
  loop.run();
  EXPECT_EQ(seen, "hph");
}

// --- Exceptions
// ------------------------------------------------------------------------------------------------------

TEST_F(LoopTest, AnExceptionLeavesRunWhereverItComesFrom) {
  const os::Fd pipe = os::makePacketPipe();
  const auto fail = [] { throw std::runtime_error("failed"); };
  {
    Timer timer(loop, fail);
    timer.startIn(0ms);
    EXPECT_THROW(loop.run(), std::runtime_error);
  }
  {
    Poll poll(loop, pipe.get(), Interest::writable, [&](bool, bool) { fail(); });
    EXPECT_THROW(loop.run(), std::runtime_error);
  }
  loop.post(fail);
  EXPECT_THROW(loop.run(), std::runtime_error);
  loop.beforeSleep([&] {
    fail();
    return false;
  });
  loop.post([] {});
  EXPECT_THROW(loop.run(), std::runtime_error);
  loop.beforeSleep(nullptr);
  loop.run();
}

TEST_F(LoopTest, AfterAnExceptionNothingIsLost) {
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < 3; ++i) {
    timers.push_back(std::make_unique<Timer>(loop, [&, i] {
      seen += std::to_string(i);
      throw i;
    }));
    timers.back()->startIn(0ms);
  }
  loop.post([&] {
    seen += "a";
    throw 3;
  });
  loop.post([&] { seen += "b"; });
  int thrown = 0;
  for (int i = 0; i < 4; ++i) {
    try {
      loop.run();
    } catch (int) {
      ++thrown;
    }
  }
  loop.run();
  EXPECT_EQ(thrown, 4);
  for (const char one : {'0', '1', '2', 'a', 'b'}) EXPECT_NE(seen.find(one), std::string::npos) << one;
  EXPECT_EQ(seen.size(), 5u) << seen;
}

// --- The end
// ---------------------------------------------------------------------------------------------------------

TEST_F(LoopTest, TimersAndPollsMayOutliveTheirLoop) {
  const os::Fd pipe = os::makePacketPipe();
  const auto held = std::make_shared<int>(1);
  auto shortLived = std::make_unique<Loop>();
  Timer timer(*shortLived, [held] {});
  Poll poll(*shortLived, pipe.get(), Interest::writable, [held](bool, bool) {});
  timer.startIn(1h);
  shortLived->post([held] {});

  shortLived.reset();

  EXPECT_EQ(held.use_count(), 1);
  timer.startIn(1ms);
  timer.cancel();
  poll.want(Interest::both);
}

TEST_F(LoopTest, TheCurrentLoopIsTheInnermostOneSet) {
  expectInvalid([] { currentLoop(); });
  {
    CurrentLoop outer(loop);
    EXPECT_EQ(&currentLoop(), &loop);
    Loop other;
    {
      CurrentLoop inner(other);
      EXPECT_EQ(&currentLoop(), &other);
    }
    EXPECT_EQ(&currentLoop(), &loop);
  }
  expectInvalid([] { currentLoop(); });
}

}  // namespace
}  // namespace troupe::loop
