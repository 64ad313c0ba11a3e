// The head of an envelope, read and written by its layout: the same as by Cap'n Proto.
#include "wire/envelope_head.h"

#include <capnp/serialize.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

#include "wire/message.h"
#include "wire/plain.h"

namespace troupe::wire {
namespace {

class AlignedWords {
 public:
  explicit AlignedWords(std::span<const std::byte> bytes) : words_(bytes.size() / sizeof(capnp::word)) {
    std::memcpy(words_.data(), bytes.data(), bytes.size());
  }
  operator std::span<const capnp::word>() const {
    return {reinterpret_cast<const capnp::word*>(words_.data()), words_.size()};
  }
  operator kj::ArrayPtr<const capnp::word>() const {
    return {reinterpret_cast<const capnp::word*>(words_.data()), words_.size()};
  }

 private:
  std::vector<std::uint64_t> words_;
};

constexpr std::uint64_t kInterface = 0xfedcba9876543210;
constexpr std::uint16_t kMethod = 0xfedc;
constexpr std::uint64_t kNumber = 0x123456789abcdef0;
constexpr std::int64_t kDeadline = -5;

TEST(EnvelopeHeadTest, OfACallIsReadAsItWasBuilt) {
  OutgoingMessage message;
  auto call = message.envelope().initCall();
  call.setInterface(kInterface);
  call.setMethod(kMethod);
  call.setCall(kNumber);
  call.setDeadline(kDeadline);
  message.body().setAs<capnp::Text>("body");
  const AlignedWords words(message.finish("a call"));
  ASSERT_TRUE(isPlain(words));
  const auto head = headOf(words);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->kind, EnvelopeHead::call);
  EXPECT_EQ(head->interface, kInterface);
  EXPECT_EQ(head->method, kMethod);
  EXPECT_EQ(head->number, kNumber);
  EXPECT_EQ(head->deadline, kDeadline);
  EXPECT_FALSE(head->large);
  EXPECT_FALSE(head->references);
  EXPECT_STREQ(IncomingMessage(words).body().getAs<capnp::Text>().cStr(), "body");
}

TEST(EnvelopeHeadTest, OfTheOtherKindsIsReadAsItWasBuilt) {
  OutgoingMessage cast, result, error;
  cast.envelope().initCast().setInterface(kInterface);
  cast.envelope().getCast().setMethod(kMethod);
  cast.envelope().setLarge(true);
  result.envelope().initResult().setCall(kNumber);
  result.envelope().initReferences(2);
  error.envelope().initError().setCall(kNumber);
  error.envelope().getError().setKind(3);
  error.envelope().getError().setMessage("why");
  const AlignedWords castWords(cast.finish("a cast")), resultWords(result.finish("a result")),
      errorWords(error.finish("an error"));
  EXPECT_EQ(headOf(castWords)->kind, EnvelopeHead::cast);
  EXPECT_EQ(headOf(castWords)->interface, kInterface);
  EXPECT_EQ(headOf(castWords)->method, kMethod);
  EXPECT_TRUE(headOf(castWords)->large);
  EXPECT_EQ(largeAtOnce(castWords), true);
  EXPECT_EQ(headOf(resultWords)->kind, EnvelopeHead::result);
  EXPECT_EQ(headOf(resultWords)->number, kNumber);
  EXPECT_TRUE(headOf(resultWords)->references);
  EXPECT_EQ(largeAtOnce(resultWords), false);
  EXPECT_EQ(headOf(errorWords)->kind, EnvelopeHead::error);
  EXPECT_EQ(headOf(errorWords)->number, kNumber);
  EXPECT_EQ(headOf(errorWords)->deadline, 0);
  EXPECT_STREQ(IncomingMessage(errorWords).envelope().getError().getMessage().cStr(), "why");
}

TEST(EnvelopeHeadTest, WrittenInPlaceIsReadByCapnProto) {
  for (const auto kind : {EnvelopeHead::call, EnvelopeHead::cast}) {
    std::array<std::uint64_t, 64> memory;
    memory.fill(~std::uint64_t{0});
    PlainEnvelope envelope({memory.data(), PlainEnvelope::wordsFor(kind, 1)}, kind, kInterface, kMethod, 1,
                           0);
    const bool isCall = kind == EnvelopeHead::call;
    if (isCall) envelope.setCall(kNumber, kDeadline);
    envelope.params()[0] = 42;
    const AlignedWords words(envelope.framed());
    EXPECT_TRUE(isPlain(words));
    EXPECT_EQ(largeAtOnce(words), false);
    capnp::FlatArrayMessageReader reader(words);
    const auto read = reader.getRoot<Envelope>();
    ASSERT_EQ(read.isCall(), isCall);
    EXPECT_EQ(isCall ? read.getCall().getInterface() : read.getCast().getInterface(), kInterface);
    EXPECT_EQ(isCall ? read.getCall().getMethod() : read.getCast().getMethod(), kMethod);
    if (isCall) {
      EXPECT_EQ(read.getCall().getCall(), kNumber);
      EXPECT_EQ(read.getCall().getDeadline(), kDeadline);
    }
    EXPECT_FALSE(read.hasReferences());
    EXPECT_EQ(read.getBody().getAs<capnp::AnyStruct>().getDataSection().size(), 8U);
    EXPECT_EQ(headOf(words)->number, isCall ? kNumber : 0);
    EXPECT_EQ(IncomingMessage(words).body().getAs<capnp::AnyStruct>().getDataSection().size(), 8U);
  }
}

TEST(EnvelopeHeadTest, OfAMessageWithoutOrWithAnotherRoot) {
  std::vector<std::uint64_t> words = {std::uint64_t{1} << 32, 0};
  const auto asWords = [&] { return AlignedWords(std::as_bytes(std::span(words))); };
  EXPECT_EQ(headOf(asWords())->kind, EnvelopeHead::call) << "all defaults";
  EXPECT_EQ(headOf(asWords())->body, nullptr);
  words[1] = 1;  // an empty list
  EXPECT_FALSE(headOf(asWords()));
  EXPECT_EQ(largeAtOnce(asWords()), std::nullopt);
}

}  // namespace
}  // namespace troupe::wire
