#include "os/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <troupe/error.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "os/output.h"
#include "tests/unit/os/children.h"

namespace troupe::os {
namespace {

class ChannelTest : public testing::Test {
 protected:
  ChannelTest() { std::tie(here, there) = makeChannel(); }

  ChannelState send(std::string_view text, std::span<const int> descriptors = {}) {
    return sendOn(here.get(), std::as_bytes(std::span(text)), descriptors);
  }
  ChannelState receive() { return receiveFrom(there.get(), arrived); }
  std::string text() const {
    return {reinterpret_cast<const char*>(arrived.bytes.data()), arrived.bytes.size()};
  }

  Fd here;
  Fd there;
  ChannelMessage arrived;
};

TEST_F(ChannelTest, MessagesStayWholeAndInOrder) {
  const std::string large(kMaxChannelMessageBytes, 'l');
  ASSERT_EQ(send("first"), ChannelState::done);
  ASSERT_EQ(send(large), ChannelState::done);
  ASSERT_EQ(send("last"), ChannelState::done);

  ASSERT_EQ(receive(), ChannelState::done);
  EXPECT_EQ(text(), "first");
  ASSERT_EQ(receive(), ChannelState::done);
  EXPECT_EQ(text(), large);
  ASSERT_EQ(receive(), ChannelState::done);
  EXPECT_EQ(text(), "last");
  EXPECT_EQ(receive(), ChannelState::wouldBlock);
}

TEST_F(ChannelTest, DescriptorsTravelWithTheirMessage) {
  OutputPipe pipe = makeOutputPipe();
  const int descriptors[] = {pipe.writer.get(), pipe.reader.get()};
  ASSERT_EQ(send("two", descriptors), ChannelState::done);
  ASSERT_EQ(send("none"), ChannelState::done);
  pipe.writer.reset();

  ASSERT_EQ(receive(), ChannelState::done);
  ASSERT_EQ(arrived.descriptors.size(), 2u);
  EXPECT_TRUE(::fcntl(arrived.descriptors[0].get(), F_GETFD) & FD_CLOEXEC);
  ASSERT_EQ(::write(arrived.descriptors[0].get(), "hello", 5), 5);
  arrived.descriptors.clear();
  EXPECT_EQ(test::readToEnd(pipe.reader.get()), "hello") << "and the end is seen: no copy was left open";
  ASSERT_EQ(receive(), ChannelState::done);
  EXPECT_TRUE(arrived.descriptors.empty());
}

TEST_F(ChannelTest, AsManyDescriptorsAsAllowedArriveAndMoreAreRefused) {
  std::vector<int> descriptors(kMaxChannelDescriptors, STDIN_FILENO);
  ASSERT_EQ(send("many", descriptors), ChannelState::done);
  ASSERT_EQ(receive(), ChannelState::done);
  EXPECT_EQ(arrived.descriptors.size(), kMaxChannelDescriptors);
  EXPECT_FALSE(arrived.descriptorsLost);

  descriptors.push_back(STDIN_FILENO);
  EXPECT_THROW(send("too many", descriptors), Error);
}

TEST_F(ChannelTest, AFullChannelSaysSo) {
  const std::string message(1000, 'm');
  int sent = 0;
  while (send(message) == ChannelState::done) ++sent;
  ASSERT_GT(sent, 0);

  ASSERT_EQ(receive(), ChannelState::done);
  for (int i = 1; i < sent; ++i) ASSERT_EQ(receive(), ChannelState::done);
  EXPECT_EQ(receive(), ChannelState::wouldBlock);
  EXPECT_EQ(send(message), ChannelState::done);
}

TEST_F(ChannelTest, WhatWasSentBeforeTheEndIsStillReceived) {
  ASSERT_EQ(sendOn(there.get(), std::as_bytes(std::span("unread", 6))), ChannelState::done);
  ASSERT_EQ(send("one"), ChannelState::done);
  ASSERT_EQ(send("two"), ChannelState::done);

  here.reset();  // with a message it has not read: the kernel reports that as an error, once

  ASSERT_EQ(receive(), ChannelState::done);
  EXPECT_EQ(text(), "one");
  ASSERT_EQ(receive(), ChannelState::done);
  EXPECT_EQ(text(), "two");
  EXPECT_EQ(receive(), ChannelState::closed);
}

TEST_F(ChannelTest, SendingToNobodyIsNoDeath) {
  there.reset();
  EXPECT_EQ(send("hello"), ChannelState::closed);
}

TEST_F(ChannelTest, AnEmptyOrTooLargeMessageIsRefused) {
  EXPECT_THROW(send(""), Error);
  EXPECT_THROW(send(std::string(kMaxChannelMessageBytes + 1, 'x')), Error);
}

TEST_F(ChannelTest, DescriptorsThatFindNoRoomAreReportedLost) {
  const int descriptors[] = {STDIN_FILENO, STDIN_FILENO, STDIN_FILENO};
  ASSERT_EQ(send("three", descriptors), ChannelState::done);

  test::Child receiver([&] {
    const int next = ::dup(STDIN_FILENO);
    ::close(next);
    rlimit limit = {};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = static_cast<rlim_t>(next) + 1;  // room for one
    ::setrlimit(RLIMIT_NOFILE, &limit);
    if (receive() != ChannelState::done) return 1;
    if (text() != "three") return 2;
    if (!arrived.descriptorsLost) return 3;
    return arrived.descriptors.size() == 1 ? 0 : 4;
  });

  EXPECT_EQ(receiver.exitCode(), 0);
}

}  // namespace
}  // namespace troupe::os
