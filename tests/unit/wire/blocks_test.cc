// What lies in the blocks of large messages, whatever lay there before.
#include <gtest/gtest.h>
#include <troupe/protocol.h>

#include <algorithm>
#include <string>

#include "tests/unit/wire/messages.h"
#include "tests/unit/wire/world.h"

namespace troupe::wire {
namespace {

using test::Bytes;
using test::bytesOf;
using test::Words;
using test::World;

// Memory that is used again is not cleared for what is copied there; what lies between the copies is zero all the same.
TEST(LargeMessage, OfWhatIsCopiedAtOnceIsTheCopyAndNothingOfAnEarlierOne) {
  World world;
  const auto send = [&](char with, std::size_t size) {
    OutgoingMessage message(&world.arena);
    message.envelope().initCast();
    auto list = message.body().initAs<capnp::List<capnp::Text>>(3);
    const std::string content(size, with);
    for (unsigned i : {0U, 2U}) TextArg(content).copyInto([&] { return list.init(i, content.size()); });
    const Bytes bytes = bytesOf(message.finish("casting"));
    world.send(bytes);
    const Words words(bytes);
    IncomingMessage incoming(words);
    incoming.attach(world.segments(words));
    const auto read = incoming.body().getAs<capnp::List<capnp::Text>>();
    EXPECT_EQ(read[0], content.c_str());
    EXPECT_EQ(read[1], "");
    EXPECT_EQ(read[2], content.c_str());
    std::size_t others = 0;
    for (const auto segment : world.segments(words)) {
      const auto* const at = reinterpret_cast<const char*>(segment.data());
      others += static_cast<std::size_t>(std::count(at, at + segment.size_bytes(), with == 'a' ? 'b' : 'a'));
    }
    EXPECT_EQ(others, 0U) << "of the one before";
    for (const BlockRef& block : blocksOf(words)) EXPECT_TRUE(world.view.free(block));
  };
  for (const std::size_t size : {100'000, 99'991, 4089, 70'001, 5000}) {
    send('a', size);
    send('b', size - 3);
  }
}

TEST(LargeMessage, MadeInPlaceIsZeroWhereNothingWasWritten) {
  World world(8 << 20);
  for (const unsigned at : {0U, 5'000'000U, 2'000'000U}) {
    OutgoingMessage message(&world.arena);
    auto data = message.body().initAs<capnp::Data>(6'000'000);
    EXPECT_TRUE(std::all_of(data.begin(), data.end(), [](kj::byte each) { return each == 0; }));
    data[at] = 1;
  }
}

}  // namespace
}  // namespace troupe::wire
