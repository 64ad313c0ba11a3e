// Control messages and their lane: order, descriptors, what is malformed, and handlers that end the lane they
// are called from.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <troupe/error.h>
#include <unistd.h>

#include <cstring>

#include "os/shared_memory.h"
#include "tests/unit/os/children.h"
#include "tests/unit/wire/messages.h"
#include "wire/control_lane.h"

namespace troupe::wire {
namespace {

using test::runUntil;

ControlMessage numbered(std::uint64_t number, std::size_t padding = 0) {
  ControlMessage message;
  message->setRequest(number);
  message->initFind().setName(std::string(padding, 'x').c_str());
  return message;
}

os::Fd pipeEnd(os::Fd& readEnd) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  readEnd = os::Fd(ends[0]);
  return os::Fd(ends[1]);
}

// The lane under test, and the bare socket at its other end.
class ControlLaneTest : public testing::Test {
 protected:
  ControlLaneTest() {
    auto [near, far] = os::makeChannel();
    far_ = std::move(far);
    lane_ = std::make_unique<ControlLane>(loop_, std::move(near), handlers());
  }

  ControlLane::Handlers handlers() {
    return {.message =
                [this](ReceivedControl& message) {
                  received_.push_back(message->getRequest());
                  if (onMessage_) onMessage_(message);
                },
            .closed =
                [this] {
                  ++closed_;
                  if (onClosed_) onClosed_();
                },
            .fault =
                [this](const std::string& what) {
                  faults_.push_back(what);
                  if (onFault_) onFault_();
                },
            .stuck = [this] { ++stuck_; }};
  }
  // The other end as a lane of its own.
  void openFarLane() {
    farLane_ = std::make_unique<ControlLane>(
        loop_, std::move(far_),
        ControlLane::Handlers{
            .message = [this](ReceivedControl& message) { farReceived_.push_back(message->getRequest()); },
            .closed = [] {},
            .fault = [this](const std::string& what) { faults_.push_back("far: " + what); },
            .stuck = [] {}});
  }
  void sendRaw(ControlMessage message) {
    std::vector<int> fds;
    for (const auto& fd : message.descriptors()) fds.push_back(fd.get());
    ASSERT_EQ(os::sendOn(far_.get(), message.encode(), fds), os::ChannelState::done);
  }
  void sendGarbage(std::size_t bytes, std::span<const int> descriptors = {}, int fill = 0xff) {
    const std::vector<std::byte> garbage(bytes, static_cast<std::byte>(fill));
    ASSERT_EQ(os::sendOn(far_.get(), garbage, descriptors), os::ChannelState::done);
  }

  loop::Loop loop_;
  os::Fd far_;
  std::unique_ptr<ControlLane> lane_;
  std::unique_ptr<ControlLane> farLane_;
  std::vector<std::uint64_t> received_;
  std::vector<std::uint64_t> farReceived_;
  std::vector<std::string> faults_;
  unsigned closed_ = 0;
  unsigned stuck_ = 0;
  std::function<void(ReceivedControl&)> onMessage_;
  std::function<void()> onClosed_;
  std::function<void()> onFault_;
};

std::vector<std::uint64_t> upTo(std::uint64_t count) {
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t i = 1; i <= count; ++i) numbers.push_back(i);
  return numbers;
}

TEST_F(ControlLaneTest, KeepsTheOrderAlsoWhereTheSocketIsFullAndMessagesAreOfAllSizes) {
  for (std::uint64_t i = 1; i <= 3000; ++i)
    lane_->send(numbered(i, i % 500 == 0 ? 200'000 : i % 50 == 0 ? 40'000 : 10));
  EXPECT_FALSE(lane_->drained()) << "more than a socket takes";

  openFarLane();
  ASSERT_TRUE(runUntil(loop_, [&] { return farReceived_.size() == 3000; }));
  EXPECT_EQ(farReceived_, upTo(3000));
  EXPECT_TRUE(lane_->drained());
  EXPECT_TRUE(faults_.empty());
}

TEST_F(ControlLaneTest, BringsDescriptorsInTheirOrder) {
  os::Fd first, second;
  ControlMessage message = numbered(1);
  message.attach(pipeEnd(first));
  message.attach(pipeEnd(second));
  sendRaw(std::move(message));
  onMessage_ = [](ReceivedControl& got) {
    EXPECT_FALSE(got.has(2));
    EXPECT_EQ(::write(got.take(1).get(), "2", 1), 1);
    EXPECT_EQ(::write(got.take(0).get(), "1", 1), 1);
    EXPECT_THROW(got.take(0), Error) << "it was taken";
  };
  ASSERT_TRUE(runUntil(loop_, [&] { return received_.size() == 1; }));
  EXPECT_EQ(os::test::readToEnd(first.get()), "1");
  EXPECT_EQ(os::test::readToEnd(second.get()), "2");
}

TEST_F(ControlLaneTest, ClosesTheDescriptorsThatNobodyTakes) {
  os::Fd readEnd;
  ControlMessage message = numbered(1);
  message.attach(pipeEnd(readEnd));
  sendRaw(std::move(message));
  ASSERT_TRUE(runUntil(loop_, [&] { return received_.size() == 1; }));
  EXPECT_EQ(os::test::readToEnd(readEnd.get()), "") << "its end has come";
}

TEST_F(ControlLaneTest, AMalformedMessageCostsOnlyItself) {
  sendRaw(numbered(1));
  sendGarbage(13);
  sendGarbage(64);
  sendGarbage(8, {}, 0);
  sendRaw(numbered(2));
  ASSERT_TRUE(runUntil(loop_, [&] { return received_.size() == 2; }));
  EXPECT_EQ(received_, upTo(2));
  EXPECT_EQ(faults_.size(), 3U);
}

TEST_F(ControlLaneTest, AHandlerThatThrowsIsAFaultOfThatMessage) {
  onMessage_ = [](ReceivedControl& message) {
    if (message->getRequest() == 1) throw Error(ErrorKind::invalid, "no such thing");
    message.take(3);
  };
  sendRaw(numbered(1));
  sendRaw(numbered(2));
  sendRaw(numbered(3));
  ASSERT_TRUE(runUntil(loop_, [&] { return faults_.size() == 3; }));
  EXPECT_EQ(faults_[0], "no such thing");
}

// A sender could shrink it while it is read, which would end this process with SIGBUS.
TEST_F(ControlLaneTest, AMessageInMemoryThatCouldShrinkIsRefused) {
  const os::Fd memory(::memfd_create("unsealed", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(memory.get(), 100'000), 0);
  const int fds[] = {memory.get()};
  const std::uint64_t size = 100'000;
  ASSERT_EQ(os::sendOn(far_.get(), std::as_bytes(std::span(&size, 1)), fds), os::ChannelState::done);
  const os::Fd small = os::makeSharedMemory("small", 4096);
  const int others[] = {small.get()};
  ASSERT_EQ(os::sendOn(far_.get(), std::as_bytes(std::span(&size, 1)), others), os::ChannelState::done);
  sendRaw(numbered(1));
  ASSERT_TRUE(runUntil(loop_, [&] { return received_.size() == 1; }));
  EXPECT_EQ(faults_.size(), 2U) << "and one that is smaller than it says";
}

TEST_F(ControlLaneTest, HandsOutWhatCameBeforeTheEndAndSaysOnceThatItIsClosed) {
  for (std::uint64_t i = 1; i <= 100; ++i) sendRaw(numbered(i));
  far_.reset();
  ASSERT_TRUE(runUntil(loop_, [&] { return closed_ == 1; }));
  EXPECT_EQ(received_, upTo(100));
  lane_->send(numbered(1));
  lane_->receivePending();
  EXPECT_EQ(closed_, 1U);
}

TEST_F(ControlLaneTest, ReceivesWhatHasComeWithoutTheLoop) {
  for (std::uint64_t i = 1; i <= 200; ++i) sendRaw(numbered(i));
  lane_->receivePending();
  EXPECT_EQ(received_, upTo(200));
  far_.reset();
  lane_->receivePending();
  EXPECT_EQ(closed_, 1U);
}

TEST_F(ControlLaneTest, AHandlerMayDestroyTheLane) {
  for (const int by : {0, 1, 2, 3}) {
    auto [near, far] = os::makeChannel();
    far_ = std::move(far);
    lane_ = std::make_unique<ControlLane>(loop_, std::move(near), handlers());
    bool destroyed = false;
    const auto destroy = [&] {
      destroyed = true;
      lane_.reset();
    };
    onMessage_ = by == 0 || by == 3 ? std::function<void(ReceivedControl&)>([&, by](ReceivedControl&) {
      destroy();
      if (by == 3) throw Error(ErrorKind::invalid, "after the end");
    })
                                    : nullptr;
    onClosed_ = by == 1 ? std::function<void()>(destroy) : nullptr;
    onFault_ = by == 2 ? std::function<void()>(destroy) : nullptr;
    if (by == 2) sendGarbage(16);
    if (by != 1) {
      sendRaw(numbered(1));
      sendRaw(numbered(2));
    }
    if (by == 1) far_.reset();
    ASSERT_TRUE(runUntil(loop_, [&] { return destroyed; })) << by;
  }
}

TEST_F(ControlLaneTest, SaysOnceThatTheOtherSideDoesNotRead) {
  for (std::uint64_t i = 0; i < ControlLane::kMaxWaiting + 2000; ++i) lane_->send(numbered(i));
  EXPECT_EQ(stuck_, 1U);
}

TEST_F(ControlLaneTest, LetsGoOfDescriptorsThatWaitForOneWhoHasGone) {
  os::Fd readEnd;
  while (lane_->drained()) lane_->send(numbered(1, 30'000));
  ControlMessage message = numbered(2);
  message.attach(pipeEnd(readEnd));
  lane_->send(std::move(message));
  far_.reset();
  ASSERT_TRUE(runUntil(loop_, [&] { return closed_ == 1; }));
  EXPECT_EQ(os::test::readToEnd(readEnd.get()), "");
}

// The kernel allows a user as many descriptors under way as one process may have open; then "full" is not
// what poll says.
TEST(ControlLane, GoesOnWhenThereWereTooManyDescriptorsUnderWay) {
  os::test::Child child([] {
    const rlimit few = {40, 40};
    if (::setrlimit(RLIMIT_NOFILE, &few) != 0) return 1;
    if (::geteuid() == 0 && ::setresuid(65'534, 65'534, 65'534) != 0) return 2;
    loop::Loop loop;
    auto [near, far] = os::makeChannel();
    ControlLane lane(loop, std::move(near), {.message = {}, .closed = [] {}, .fault = {}, .stuck = [] {}});
    constexpr std::uint64_t kMessages = 20;
    const auto attached = [](std::uint64_t i) {
      ControlMessage message = numbered(i);
      for (int n = 0; n < 4; ++n) message.attach(os::Fd(::dup(0)));
      return message;
    };
    // Others of this user have all of them under way.
    auto [a, b] = os::makeChannel();
    const int held[] = {0, 0, 0, 0, 0, 0, 0, 0};
    const std::byte one[] = {std::byte{1}};
    while (os::sendOn(a.get(), one, held) == os::ChannelState::done) {}
    // Few at a time: this process itself is near its limit.
    for (std::uint64_t i = 1; i <= 3; ++i) lane.send(attached(i));
    if (lane.drained()) return 4;
    std::vector<std::uint64_t> got;
    ControlLane other(loop, std::move(far),
                      {.message =
                           [&](ReceivedControl& message) {
                             if (message.has(3)) got.push_back(message->getRequest());
                             if (got.back() + 3 <= kMessages) lane.send(attached(got.back() + 3));
                           },
                       .closed = [] {},
                       .fault = {},
                       .stuck = [] {}});
    loop::Timer release(loop, [&] {
      os::ChannelMessage scrap;
      while (os::receiveFrom(b.get(), scrap) == os::ChannelState::done) scrap.descriptors.clear();
    });
    release.startIn(std::chrono::milliseconds(20));
    return runUntil(loop, [&] { return got.size() == kMessages; }) && got == upTo(kMessages) ? 0 : 3;
  });
  EXPECT_EQ(child.wait(), 0);
}

// --- The message by itself ---

// Over a lane, or without one; sent on as it is, or with its sender's path.
TEST(ControlMessage, IsSentOnWithItsDescriptors) {
  for (const bool lane : {false, true}) {
    for (const std::string from : {"", "/a"}) {
      os::Fd readEnd;
      ControlMessage message = numbered(5, 100);
      message.attach(pipeEnd(readEnd));
      auto received = lane ? ReceivedControl(message.encode(), std::move(message.descriptors()))
                           : ReceivedControl::looped(message);
      ControlMessage next = forwarded(received);
      if (!from.empty()) next->setFrom(from.c_str());
      EXPECT_FALSE(received.has(0));
      const ReceivedControl sent(next.encode(), {});
      auto again = ReceivedControl::looped(next);
      EXPECT_EQ(again->getRequest(), 5U);
      EXPECT_EQ(again->getFind().getName().size(), 100U);
      EXPECT_EQ(toString(again->getFrom()), from);
      EXPECT_EQ(toString(sent->getFrom()), from);
      EXPECT_TRUE(again.has(0));
    }
  }
}

TEST(ControlMessage, TooLargeForALaneItDoesNotComeOutWithoutOneEither) {
  ControlMessage message = numbered(1, kMaxControlBytes);
  EXPECT_THROW(static_cast<void>(ReceivedControl::looped(message)), Error);
}

TEST(ControlMessage, KeepsRoomForThePathThatIsAddedOnItsWay) {
  std::size_t largest = 0;
  for (std::size_t low = 1, high = kMaxControlBytes; low <= high;) {
    const std::size_t middle = (low + high) / 2;
    try {
      static_cast<void>(numbered(1, middle).encode());
      largest = middle;
      low = middle + 1;
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::invalid);
      high = middle - 1;
    }
  }
  ControlMessage message = numbered(1, largest);
  message->setFrom(std::string(4000, '/').c_str());
  EXPECT_NO_THROW(static_cast<void>(message.encode()));
}

TEST(ControlMessage, MissingDescriptorsAreNamed) {
  ControlMessage message = numbered(1);
  auto received = ReceivedControl::looped(message);
  try {
    received.take(0);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("without its descriptor 0"), std::string::npos);
  }
}

}  // namespace
}  // namespace troupe::wire
