#include "wire/letter.h"

#include <gtest/gtest.h>
#include <troupe/error.h>

#include "wire/flat_message.h"
#include "wire/message.h"

namespace {

using troupe::Error;
using troupe::ErrorKind;
using namespace troupe::wire;

std::vector<std::byte> callOf(std::uint64_t interfaceId, std::uint16_t method) {
  OutgoingMessage message;
  auto call = message.envelope().initCall();
  call.setInterface(interfaceId);
  call.setMethod(method);
  const auto bytes = message.finish("a call");
  return {bytes.begin(), bytes.end()};
}

Letter wholeLetter() {
  Letter letter;
  letter.number = 7;
  letter.time = std::chrono::system_clock::time_point(std::chrono::nanoseconds(1'600'000'000'123'456'789));
  letter.actor = 3;
  letter.path = "/shop/till";
  letter.sender = 4;
  letter.senderPath = "/shop/clerk";
  letter.senderGeneration = 2;
  letter.methodName = "Till.pay";
  letter.reason = {.kind = troupe::ExitKind::signaled, .code = 11, .coreDumped = true};
  letter.attempts = 2;
  letter.message = callOf(0xabcdef, 5);
  describeMessage(letter);
  return letter;
}

TEST(LetterTest, ComesBackFromItsFileAsItWas) {
  const Letter letter = wholeLetter();

  const Letter read = decodeLetter(encodeLetter(letter));

  EXPECT_EQ(read.number, 7U);
  EXPECT_EQ(read.time, letter.time);
  EXPECT_EQ(read.actor, 3U);
  EXPECT_EQ(read.path, "/shop/till");
  EXPECT_EQ(read.sender, 4U);
  EXPECT_EQ(read.senderPath, "/shop/clerk");
  EXPECT_EQ(read.senderGeneration, 2U);
  EXPECT_EQ(read.interfaceId, 0xabcdefU);
  EXPECT_EQ(read.method, 5U);
  EXPECT_EQ(read.methodName, "Till.pay");
  EXPECT_TRUE(read.call);
  EXPECT_EQ(read.reason, letter.reason);
  EXPECT_EQ(read.attempts, 2U);
  EXPECT_EQ(read.message, letter.message);
}

TEST(LetterTest, OfAMalformedMessageKeepsTheBytesAndKnowsNoMethod) {
  Letter letter;
  letter.message.resize(20, std::byte{0xff});

  describeMessage(letter);

  EXPECT_EQ(letter.interfaceId, 0U);
  EXPECT_EQ(decodeLetter(encodeLetter(letter)).message, letter.message);
}

TEST(LetterTest, TheHeadAloneHasNoMessage) {
  capnp::MallocMessageBuilder builder;

  write(builder.initRoot<DeadLetter>(), wholeLetter(), LetterPart::headOnly);

  EXPECT_EQ(builder.getRoot<DeadLetter>().getMessage().size(), 0U);
  EXPECT_EQ(builder.getRoot<DeadLetter>().getMethod(), 5U);
}

TEST(LetterTest, EveryPrefixOfAFileIsReadOrRefusedWithAnError) {
  const auto bytes = encodeLetter(wholeLetter());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    try {
      static_cast<void>(decodeLetter(std::span(bytes).first(size)));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid);
    }
  }
}

TEST(LetterTest, AnyByteOfAFileMayBeWrong) {
  const auto bytes = encodeLetter(wholeLetter());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    auto wrong = bytes;
    wrong[at] ^= std::byte{0xff};
    try {
      static_cast<void>(decodeLetter(wrong));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid);
    }
  }
}

}  // namespace
