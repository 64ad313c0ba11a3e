// Envelopes: references to actors, limits, and messages that want to cost more than they are.
#include "wire/message.h"

#include <gtest/gtest.h>
#include <troupe/error.h>
#include <troupe/protocol.h>

#include <capnp/any.h>
#include <kj/exception.h>

#include "peers.capnp.h"
#include "tests/unit/wire/messages.h"

namespace troupe::wire {
namespace {

using test::Bytes;

// The words of a finished message, aligned.
class Words {
 public:
  explicit Words(const Bytes& bytes)
      : words_(kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word))) {
    std::memcpy(words_.begin(), bytes.data(), bytes.size());
  }
  operator std::span<const capnp::word>() const { return {words_.begin(), words_.size()}; }
  std::uint64_t& at(std::size_t index) { return reinterpret_cast<std::uint64_t*>(words_.begin())[index]; }
  std::size_t size() const { return words_.size(); }

 private:
  kj::Array<capnp::word> words_;
};

Bytes framed(capnp::MessageBuilder& builder) {
  const auto words = capnp::messageToFlatArray(builder);
  const auto bytes = words.asBytes();
  const auto* first = reinterpret_cast<const std::byte*>(bytes.begin());
  return {first, first + bytes.size()};
}

capnp::List<capnp::AnyPointer>::Builder pointersIn(capnp::AnyPointer::Builder at, unsigned count) {
  return at.initAsAnyList(capnp::ElementSize::POINTER, count).as<capnp::List<capnp::AnyPointer>>();
}

std::string kjTextOf(const std::function<void()>& deed) {
  try {
    deed();
  } catch (const kj::Exception& exception) {
    return exception.getDescription().cStr();
  }
  return {};
}

TEST(Message, CarriesReferencesToActors) {
  OutgoingMessage message;
  auto params = message.body().initAs<Ping::AllParams>();
  auto pings = params.initPings(2);
  pings.set(0, toCapability({7, "/shop/till"}).castAs<Ping>());
  pings.set(1, toCapability({9, "/shop/clerk"}).castAs<Ping>());
  params.setAny(toCapability({7, "/shop/till"}));
  const Words words(message.finish("a cast"));

  const IncomingMessage incoming(words);
  const auto read = incoming.body().getAs<Ping::AllParams>();
  EXPECT_EQ(addressOf(read.getPings()[0])->id, 7U);
  EXPECT_EQ(addressOf(read.getPings()[0])->path, "/shop/till");
  EXPECT_EQ(addressOf(read.getPings()[1])->id, 9U);
  EXPECT_EQ(addressOf(read.getAny())->path, "/shop/till");
  EXPECT_EQ(incoming.envelope().getReferences().size(), 3U);
}

TEST(Message, AReferenceToNobodyAndAnUnsetOneAreNobody) {
  OutgoingMessage message;
  auto params = message.body().initAs<Ping::LinkParams>();
  params.setSelf(toCapability({}).castAs<Ping>());
  const Words words(message.finish("a call"));
  const IncomingMessage incoming(words);
  EXPECT_EQ(addressOf(incoming.body().getAs<Ping::LinkParams>().getSelf())->id, 0U);

  OutgoingMessage unset;
  unset.body().initAs<Ping::LinkParams>();
  const Words bare(unset.finish("a call"));
  const IncomingMessage other(bare);
  EXPECT_EQ(addressOf(other.body().getAs<Ping::LinkParams>().getSelf())->id, 0U);
}

TEST(Message, AForeignCapabilityIsRefusedByName) {
  OutgoingMessage message;
  message.body().initAs<Ping::AllParams>().setAny(
      capnp::Capability::Client(KJ_EXCEPTION(FAILED, "not an actor")));
  try {
    static_cast<void>(message.finish("calling Ping.all of /pong"));
    FAIL() << "it must be refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
    EXPECT_EQ(error.message(),
              "calling Ping.all of /pong: a capability in it is not an actor (a troupe::Ref)");
  }
}

TEST(Message, ACapabilityIsAnAddressAndCannotBeCalled) {
  auto capability = toCapability({7, "/a"}).castAs<Ping>();
  EXPECT_EQ(addressOf(capability)->id, 7U) << "also after a copy";
  EXPECT_FALSE(addressOf(capnp::Capability::Client(KJ_EXCEPTION(FAILED, "other"))).has_value());
}

TEST(Message, OfTheLargestSizeGoesAndTheNextIsRefusedWithItsSize) {
  const auto finished = [](unsigned bytes) {
    OutgoingMessage message;
    message.envelope().initCast();
    message.body().initAs<capnp::Data>(bytes);
    return message.finish("casting Canvas.draw of /canvas").size();
  };
  const std::size_t overhead = finished(0);
  const auto most = static_cast<unsigned>(kMaxMessageBytes - overhead);
  EXPECT_EQ(finished(most), kMaxMessageBytes);
  try {
    finished(most + 1);
    FAIL() << "it must be refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
    EXPECT_NE(error.message().find("casting Canvas.draw of /canvas: its message takes 4072 bytes"),
              std::string::npos)
        << error.message();
  }
  EXPECT_THROW(finished(1'000'000), Error);
}

TEST(Message, OfNoRootIsAnExceptionAndNoMore) {
  const Words empty(Bytes(8));
  EXPECT_NE(kjTextOf([&] { IncomingMessage incoming(empty); }), "");
}

TEST(Message, MayBeReadWithoutEndOnceItWasChecked) {
  OutgoingMessage message;
  message.envelope().initCast();
  message.body().setAs<capnp::Text>(std::string(3000, 'x').c_str());
  const Words words(message.finish("a cast"));
  const IncomingMessage incoming(words);

  for (unsigned i = 0; i < 100'000; ++i) ASSERT_EQ(incoming.body().getAs<capnp::Text>().size(), 3000U);
  EXPECT_NE(kjTextOf([&] {
              for (unsigned i = 0; i < 100; ++i)
                static_cast<void>(incoming.checkedBody().getAs<capnp::Text>());
            }),
            "")
      << "the reader for checking counts";
}

// --- Messages that want to cost more than they are ---

TEST(HostileMessage, ThousandsOfReferencesThatTakeNoRoomAreRefused) {
  capnp::MallocMessageBuilder builder;
  auto root = builder.getRoot<capnp::AnyPointer>().initAsAnyStruct(4, 3);
  root.getPointerSection()[1].initAsListOfAnyStruct(0, 0, 8000);
  const Words words(framed(builder));
  EXPECT_NE(kjTextOf([&] { IncomingMessage incoming(words); }).find("more references"), std::string::npos);
}

TEST(HostileMessage, AListOfMillionsThatTakeNoRoomFailsTheCheck) {
  for (const bool structs : {false, true}) {
    OutgoingMessage message;
    message.envelope().initCast();
    if (structs) {
      message.body().initAsListOfAnyStruct(0, 0, 500'000'000);
    } else {
      message.body().initAsAnyList(capnp::ElementSize::VOID, 500'000'000);
    }
    const Words words(message.finish("a cast"));
    EXPECT_LT(words.size(), 20U);
    const IncomingMessage incoming(words);
    EXPECT_NE(kjTextOf([&] { checkAny(incoming.checkedBody()); }), "") << "structs: " << structs;
  }
}

TEST(HostileMessage, ManyPointersToOneThingFailTheCheck) {
  for (const unsigned pointers : {10U, 300U}) {
    OutgoingMessage message;
    message.envelope().initCast();
    auto list = pointersIn(message.body(), pointers);
    list[0].setAs<capnp::Text>(std::string(1000, 'x').c_str());
    Words words(message.finish("a cast"));
    // The list's first word points to the text; the others are made to do so too.
    std::size_t first = 2;
    while (first + 1 < words.size() && !((words.at(first) & 3) == 1 && words.at(first) >> 35 == 1001))
      ++first;
    ASSERT_LT(first + pointers, words.size());
    for (std::size_t i = 1; i < pointers; ++i) words.at(first + i) = words.at(first) - 4 * i;

    const IncomingMessage incoming(words);
    const std::string wrong = kjTextOf([&] { checkAny(incoming.checkedBody()); });
    EXPECT_EQ(wrong.empty(), pointers == 10) << wrong;
  }
}

TEST(HostileMessage, NestedWithoutEndFailsTheCheck) {
  for (const unsigned depth : {20U, 200U}) {
    OutgoingMessage message;
    message.envelope().initCast();
    auto at = pointersIn(message.body(), 1)[0];
    for (unsigned i = 0; i < depth; ++i) at = pointersIn(at, 1)[0];
    const Words words(message.finish("a cast"));
    const IncomingMessage incoming(words);
    EXPECT_EQ(kjTextOf([&] { checkAny(incoming.checkedBody()); }).empty(), depth == 20) << depth;
  }
}

TEST(HostileMessage, APointerToItselfFailsTheCheck) {
  OutgoingMessage message;
  message.envelope().initCast();
  auto list = pointersIn(message.body(), 2);
  list[0].setAs<capnp::Text>("x");
  Words words(message.finish("a cast"));
  std::size_t first = 2;
  while (first + 1 < words.size() &&
         !((words.at(first) & 3) == 1 && words.at(first) >> 35 == 2 && (words.at(first) >> 32 & 7) == 2)) {
    ++first;
  }
  ASSERT_LT(first + 1, words.size());
  // A list of two pointers that begins with this very word.
  words.at(first) =
      (std::uint64_t{2} << 35) | (std::uint64_t{6} << 32) | (~std::uint64_t{0} << 2 & 0xffffffff) | 1;
  const IncomingMessage incoming(words);
  EXPECT_NE(kjTextOf([&] { checkAny(incoming.checkedBody()); }), "");
}

TEST(HostileMessage, ACapabilityThatIsNotInItsTableIsNobodyOrAnError) {
  OutgoingMessage message;
  message.envelope().initCast();
  message.body().initAs<Ping::LinkParams>().setSelf(toCapability({7, "/a"}).castAs<Ping>());
  Words words(message.finish("a cast"));
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words.at(i) == 3) words.at(i) = 3 | (std::uint64_t{12345} << 32);
  }
  const IncomingMessage incoming(words);
  kjTextOf([&] {
    const auto address = addressOf(incoming.body().getAs<Ping::LinkParams>().getSelf());
    EXPECT_TRUE(!address || address->id != 7);
  });
}

}  // namespace
}  // namespace troupe::wire
