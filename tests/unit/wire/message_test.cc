// Envelopes: references to actors, limits, and messages that want to cost more than they are.
#include "wire/message.h"

#include <gtest/gtest.h>
#include <troupe/error.h>
#include <troupe/protocol.h>

#include <capnp/any.h>
#include <kj/exception.h>

#include "os/shared_memory.h"
#include "peers.capnp.h"
#include "tests/unit/wire/messages.h"
#include "tests/unit/wire/world.h"

namespace troupe::wire {
namespace {

using test::Bytes;
using test::bytesOf;
using test::Words;
using test::World;

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

TEST(LargeMessage, IsBuiltAndReadInPlace) {
  World world;
  OutgoingMessage message(&world.arena);
  auto call = message.envelope().initCall();
  call.setInterface(5);
  call.setMethod(6);
  call.setCall(7);
  call.setDeadline(8);
  auto data = message.body().initAs<capnp::Data>(500'000);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<kj::byte>(i * 7);
  const kj::byte* const built = data.begin();
  const Bytes bytes = bytesOf(message.finish("calling"));
  EXPECT_LT(bytes.size(), 300U);
  world.send(bytes);

  const Words words(bytes);
  ASSERT_TRUE(isLarge(words));
  IncomingMessage incoming(words);
  ASSERT_TRUE(incoming.isLarge());
  EXPECT_EQ(incoming.envelope().getCall().getInterface(), 5U);
  EXPECT_EQ(incoming.envelope().getCall().getMethod(), 6U);
  EXPECT_EQ(incoming.envelope().getCall().getCall(), 7U);
  EXPECT_EQ(incoming.envelope().getCall().getDeadline(), 8);
  incoming.attach(world.segments(words));
  const auto read = incoming.body().getAs<capnp::Data>();
  ASSERT_EQ(read.size(), 500'000U);
  for (std::size_t i = 0; i < read.size(); ++i) ASSERT_EQ(read[i], static_cast<kj::byte>(i * 7));
  const auto* const arenaStart = reinterpret_cast<const kj::byte*>(world.arena.open()->view().data(0));
  const auto* const viewStart = reinterpret_cast<const kj::byte*>(world.view.data(0));
  EXPECT_EQ(read.begin() - viewStart, built - arenaStart) << "no copy between";
  for (const BlockRef& block : blocksOf(words)) EXPECT_TRUE(world.view.free(block));
  EXPECT_TRUE(world.view.empty());
}

TEST(LargeMessage, OfManySmallPartsCarriesReferencesToo) {
  World world;
  OutgoingMessage message(&world.arena);
  message.envelope().initCast();
  auto pings = message.body().initAs<Ping::AllParams>().initPings(3000);
  for (unsigned i = 0; i < pings.size(); ++i) pings.set(i, toCapability({i + 1, "/actor"}).castAs<Ping>());
  const Bytes bytes = bytesOf(message.finish("casting"));
  world.send(bytes);
  const Words words(bytes);
  EXPECT_LE(blocksOf(words).size(), 12U) << "each block is as large as all before it";
  IncomingMessage incoming(words);
  incoming.attach(world.segments(words));
  checkAny(incoming.checkedBody());
  const auto read = incoming.body().getAs<Ping::AllParams>().getPings();
  ASSERT_EQ(read.size(), 3000U);
  EXPECT_EQ(addressOf(read[2999])->id, 3000U);
}

TEST(LargeMessage, ThatIsNotSentGivesItsBlocksBack) {
  World world;
  {
    OutgoingMessage message(&world.arena);
    message.body().initAs<capnp::Data>(100'000);
    EXPECT_FALSE(world.view.empty());
  }
  EXPECT_TRUE(world.view.empty());
  OutgoingMessage other(&world.arena);
  other.body().initAs<capnp::Data>(100'000);
  for (const BlockRef& block : blocksOf(other.finish("casting"))) world.arena.open()->free(block);
  EXPECT_TRUE(world.view.empty());
}

TEST(LargeMessage, OfTheLimitGoesAndOneAboveItIsRefusedWithItsSize) {
  World world(1 << 20);
  const auto send = [&](unsigned bytes) {
    OutgoingMessage message(&world.arena);
    message.envelope().initCast();
    message.body().initAs<capnp::Data>(bytes);
    world.send(message.finish("casting Canvas.draw of /canvas"));
  };
  send(1 << 20);
  const auto used = world.arena.open()->usedBytes();
  try {
    send((1 << 20) + kMaxPacketBytes);
    FAIL() << "it must be refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
    EXPECT_NE(error.message().find("casting Canvas.draw of /canvas: its message takes 10527"),
              std::string::npos)
        << error.message();
    EXPECT_NE(error.message().find("can have 1048576 at most"), std::string::npos) << error.message();
  }
  EXPECT_THROW(send(100 << 20), Error);
  world.arena.trim();
  EXPECT_EQ(world.arena.open()->usedBytes(), used);
}

TEST(LargeMessage, IsRefusedWhereTheArenaIsFullOfUnreadOnes) {
  World world(1 << 20);
  std::vector<Bytes> sent;
  const auto send = [&] {
    OutgoingMessage message(&world.arena);
    message.envelope().initCast();
    message.body().initAs<capnp::Data>(1 << 20);
    sent.push_back(bytesOf(message.finish("casting Canvas.draw of /canvas")));
    world.send(sent.back());
  };
  try {
    for (int i = 0; i < 1000; ++i) send();
    FAIL() << "it must be refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::overloaded);
    EXPECT_NE(error.message().find("no room for its message of 1048"), std::string::npos) << error.message();
  }
  EXPECT_GT(sent.size(), 50U);
  for (const BlockRef& block : blocksOf(sent[3])) world.view.free(block);
  send();
  EXPECT_THROW(send(), Error);
}

TEST(LargeMessage, GivesItsMemoryBackWhenItWasRead) {
  World world;
  OutgoingMessage message(&world.arena);
  message.body().initAs<capnp::Data>(1 << 20);
  const Bytes bytes = bytesOf(message.finish("casting"));
  world.send(bytes);
  world.arena.trim();
  EXPECT_TRUE(world.arena.inUse());
  for (const BlockRef& block : blocksOf(bytes)) world.view.free(block);
  world.arena.trim();
  EXPECT_FALSE(world.arena.inUse());
  EXPECT_TRUE(os::punchHole(world.memory, 0, kArenaPage));
  EXPECT_TRUE(os::isUntouched(world.memory)) << "all but the first page was given back";
}

TEST(LargeMessage, ThatLiesAboutItsSegmentsIsAnExceptionAndNoMore) {
  const auto refusal = [](unsigned segments) {
    capnp::MallocMessageBuilder builder;
    auto envelope = builder.initRoot<Envelope>();
    envelope.setLarge(true);
    envelope.getBody().initAs<LargeBody>().initSegments(segments);
    const Words words(framed(builder));
    EXPECT_TRUE(isLarge(words));
    return kjTextOf([&] { static_cast<void>(blocksOf(words)); });
  };
  EXPECT_NE(refusal(0), "");
  EXPECT_NE(refusal(65), "");
  EXPECT_EQ(refusal(64), "");
  OutgoingMessage small;
  const Words words(small.finish("a cast"));
  EXPECT_FALSE(isLarge(words));
  EXPECT_TRUE(blocksOf(words).empty());
  IncomingMessage incoming(words);
  EXPECT_NE(kjTextOf([&] { incoming.attach({}); }), "") << "no segment holds no envelope";
}

TEST(Message, OfNoRootIsAnExceptionAndNoMore) {
  const Words empty(Bytes(8));
  EXPECT_NE(kjTextOf([&] { IncomingMessage incoming(empty); }), "");
}

TEST(Message, MayBeReadWithoutEndOnceItWasChecked) {
  OutgoingMessage message;
  message.envelope().initCast();
  auto params = message.body().initAs<Ping::AllParams>();
  const std::string text(3000, 'x');
  params.initPings(1).set(0, toCapability({7, "/" + text}).castAs<Ping>());
  const Words words(message.finish("a cast"));
  const IncomingMessage incoming(words);

  for (unsigned i = 0; i < 100'000; ++i)
    ASSERT_EQ(incoming.body().getAs<Ping::AllParams>().getPings().size(), 1U);
  EXPECT_NE(kjTextOf([&] {
              for (unsigned i = 0; i < 100'000; ++i)
                static_cast<void>(incoming.checkedBody().getAs<Ping::AllParams>().getPings());
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

TEST(HostileMessage, ManyReferencesWithOnePathAreRefused) {
  for (const unsigned count : {10U, 100U}) {
    OutgoingMessage message;
    message.envelope().initCast();
    message.envelope().initReferences(count)[0].setPath(std::string(2000, 'x').c_str());
    Words words(message.finish("a cast"));
    // The first element's pointer leads to the path; those of the others, each two words on, are made to do so too.
    std::size_t first = 2;
    while (first + 1 < words.size() && !((words.at(first) & 3) == 1 && words.at(first) >> 35 == 2001))
      ++first;
    ASSERT_LT(first + 2 * count, words.size());
    for (std::size_t i = 1; i < count; ++i) words.at(first + 2 * i) = words.at(first) - 8 * i;

    const std::string wrong = kjTextOf([&] { IncomingMessage incoming(words); });
    EXPECT_EQ(wrong.empty(), count == 10) << wrong;
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
