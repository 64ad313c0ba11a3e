// Messages of any size, in parts, on a channel.
#include "wire/parts.h"

#include <gtest/gtest.h>
#include <troupe/error.h>

namespace troupe::wire {
namespace {

using Bytes = std::vector<std::byte>;

Bytes patternOf(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 251);
  return bytes;
}

class PartsTest : public testing::Test {
 protected:
  // All that has come, message by message.
  std::vector<Bytes> receiveAll() {
    std::vector<Bytes> messages;
    os::ChannelMessage packet;
    while (os::receiveFrom(ends_.second.get(), packet) == os::ChannelState::done) {
      if (reader_.add(packet.bytes)) messages.push_back(reader_.take());
    }
    return messages;
  }

  std::pair<os::Fd, os::Fd> ends_ = os::makeChannel();
  PartsWriter writer_;
  PartsReader reader_{1 << 20};
};

TEST_F(PartsTest, MessagesOfAllSizesStayWholeAndApart) {
  for (const std::size_t size : {8UL, 64UL * 1024 - 8, 64UL * 1024, 1000UL * 1000}) {
    writer_.add(patternOf(size));
    writer_.add(patternOf(16));
    std::vector<Bytes> all;
    // A channel takes less than a large message at once.
    while (writer_.writeTo(ends_.first.get()) == os::ChannelState::wouldBlock) {
      for (Bytes& each : receiveAll()) all.push_back(std::move(each));
    }
    for (Bytes& each : receiveAll()) all.push_back(std::move(each));
    ASSERT_EQ(all.size(), 2U) << size;
    EXPECT_EQ(all[0], patternOf(size));
    EXPECT_EQ(all[1], patternOf(16));
    EXPECT_EQ(writer_.bytes(), 0U);
  }
}

TEST_F(PartsTest, AMessageThatIsTooLargeIsAnError) {
  PartsReader narrow(1000);
  Bytes packet(8 + 1000);
  packet[0] = std::byte{1};
  EXPECT_FALSE(narrow.add(packet));
  EXPECT_THROW(narrow.add(packet), Error);
}

TEST_F(PartsTest, WhatIsNoPartIsAnError) {
  EXPECT_THROW(reader_.add(Bytes(8)), Error) << "empty";
  EXPECT_THROW(reader_.add(Bytes(7)), Error);
  EXPECT_THROW(reader_.add(Bytes(20)), Error) << "no whole words";
  Bytes foreign(16);
  foreign[0] = std::byte{2};
  EXPECT_THROW(reader_.add(foreign), Error);
}

TEST_F(PartsTest, WhereTheOtherEndHasGoneTheChannelIsClosed) {
  ends_.second.reset();
  writer_.add(patternOf(100));
  EXPECT_EQ(writer_.writeTo(ends_.first.get()), os::ChannelState::closed);
}

}  // namespace
}  // namespace troupe::wire
