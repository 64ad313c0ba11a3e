// What becomes of large messages that have not left when another process takes over, and when it gives back what it has.
#include <gtest/gtest.h>

#include <csignal>

#include "mailbox/outbox.h"
#include "os/packet_pipe.h"
#include "os/shared_memory.h"
#include "wire/message.h"

namespace troupe::mailbox {
namespace {

constexpr std::size_t kLimit = 1 << 20;
constexpr std::size_t kBodyBytes = 100'000;
constexpr Destination kPeer{9, wire::Lane::mailbox};

class OutboxPause : public testing::Test {
 protected:
  OutboxPause() { std::signal(SIGPIPE, SIG_IGN); }

  std::vector<std::byte> call(char fill) {
    wire::OutgoingMessage message(&arena_);
    auto body = message.body().initAs<capnp::Data>(kBodyBytes);
    std::fill(body.begin(), body.end(), static_cast<kj::byte>(fill));
    message.envelope().initCall().setCall(7);
    const auto bytes = message.finish("a call");
    return {bytes.begin(), bytes.end()};
  }
  std::size_t blocks() {
    std::size_t count = 0;
    const os::Mapping mapping(memory_, os::sizeOf(memory_));
    const wire::ArenaView view({static_cast<std::byte*>(mapping.data()), mapping.bytes()});
    view.forEach([&count](const wire::ArenaView::Block&) { ++count; });
    return count;
  }
  // What fills the body of the large message at the place in the packet that comes next; 0 where it is not right.
  std::string read() {
    alignas(8) std::byte bytes[os::kPacketBytes];
    const auto got = os::readPacket(reader_.get(), bytes);
    wire::PacketView packet;
    if (got.state != os::PipeState::done ||
        wire::PacketView::parse(bytes, got.bytes, packet) != wire::PacketFault::none)
      return "nothing";
    std::string fills;
    for (unsigned i = 0; i < packet.messages(); ++i) {
      std::vector<std::span<const capnp::word>> segments;
      for (const auto& block : wire::blocksOf(packet.message(i))) {
        const auto content = arena_.open()->view().content(block);
        if (!content) return "a block is missing";
        segments.push_back(*content);
      }
      wire::IncomingMessage message(packet.message(i));
      message.attach(segments);
      EXPECT_EQ(message.envelope().getCall().getCall(), 7U);
      const auto body = message.checkedBody().getAs<capnp::Data>();
      EXPECT_EQ(body.size(), kBodyBytes);
      fills += static_cast<char>(body[kBodyBytes - 1]);
    }
    return fills;
  }

  loop::Loop loop_;
  os::Fd desk_ = os::makeSharedMemory("desk", kDeskBytes);
  MappedDesk mapped_{desk_};
  TurnLog log_{*mapped_, 2};
  os::Fd memory_ = os::makeSharedMemory("arena", wire::arenaBytesFor(kLimit));
  wire::ArenaMemory arena_{os::openSharedMemory(memory_), kLimit, 2};
  Outbox outbox_{loop_, {.actor = 5, .generation = 2, .arena = &arena_}, log_, [](Destination) {}};
  os::Fd pipe_ = os::makePacketPipe();
  os::Fd reader_ = os::openReadEnd(pipe_);
};

TEST_F(OutboxPause, LeavesNothingInTheArenaThatIsNotInTheLog) {
  EXPECT_EQ(outbox_.put(kPeer, call('a')), Outbox::Put::placed);
  auto waiting = call('b');
  outbox_.hold(waiting);
  ASSERT_GT(blocks(), 0U);

  outbox_.pause();

  EXPECT_EQ(blocks(), 0U);
  EXPECT_GT(waiting.size(), kBodyBytes);
  outbox_.letGoOf(waiting);
}

TEST_F(OutboxPause, GivesBackWhatItTookAside) {
  EXPECT_EQ(outbox_.put(kPeer, call('a')), Outbox::Put::placed);
  auto waiting = call('b');
  outbox_.hold(waiting);
  outbox_.pause();
  arena_.letGo();
  // Made meanwhile.
  auto later = call('c');
  EXPECT_GT(later.size(), kBodyBytes);
  EXPECT_EQ(outbox_.put(kPeer, later), Outbox::Put::noRoom);
  // The newer process frees all that is not in the log, and uses the arena for messages of its own.
  wire::ArenaMemory newer(os::openSharedMemory(memory_), kLimit, 3);
  newer.recover({});
  for (int i = 0; i < 20; ++i) {
    wire::OutgoingMessage message(&newer);
    message.body().initAs<capnp::Data>(kBodyBytes);
    message.envelope().initCast();
    message.finish("a cast of the newer process");
  }

  arena_.takeBack(os::openSharedMemory(memory_), 4);
  outbox_.goOn(4);
  for (auto* const message : {&waiting, &later}) {
    outbox_.prepare(*message, "a call");
    outbox_.letGoOf(*message);
    EXPECT_LT(message->size(), std::size_t{4096});
    EXPECT_EQ(outbox_.put(kPeer, *message), Outbox::Put::placed);
  }
  outbox_.introduced(kPeer, os::openWriteEnd(pipe_));
  outbox_.flush();

  EXPECT_EQ(read(), "abc");
}

}  // namespace
}  // namespace troupe::mailbox
