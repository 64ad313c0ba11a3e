// For tests of the outbox: those that are sent to, and an outbox with a log.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include "mailbox/outbox.h"
#include "os/packet_pipe.h"
#include "tests/unit/wire/messages.h"

namespace troupe::mailbox {

using loop::Clock;
using test::Bytes;
using test::castOf;
using test::resultOf;
using test::runUntil;
using test::textOf;
using Put = Outbox::Put;
using Texts = std::vector<std::string>;

// The mailbox of somebody who is sent to.
struct Peer {
  explicit Peer(wire::ActorId actor, wire::Lane lane = wire::Lane::mailbox, std::size_t bytes = 4096)
      : to{actor, lane}, pipe(os::makePacketPipe(bytes)), reader(os::openReadEnd(pipe)) {}

  // The messages of the next packet, or nothing.
  std::vector<std::string> read() {
    alignas(8) std::byte packet[os::kPacketBytes];
    const auto got = os::readPacket(reader.get(), packet);
    if (got.state != os::PipeState::done) return {};
    wire::PacketView view;
    EXPECT_EQ(wire::PacketView::parse(packet, got.bytes, view), wire::PacketFault::none);
    last = view.header();
    std::vector<std::string> texts;
    for (unsigned i = 0; i < view.messages(); ++i) texts.push_back(textOf(view.message(i)));
    return texts;
  }
  // What is there, in one list.
  std::vector<std::string> readAll() {
    std::vector<std::string> all;
    for (auto texts = read(); !texts.empty(); texts = read())
      all.insert(all.end(), texts.begin(), texts.end());
    return all;
  }

  Destination to;
  os::Fd pipe;
  os::Fd reader;
  wire::PacketHeader last;
};

class OutboxTest : public testing::Test {
 protected:
  OutboxTest()
      : memory_(os::makeSharedMemory("desk", kDeskBytes)),
        mapped_(memory_),
        log_(*mapped_, 2),
        outbox_(loop_, {.actor = 5, .generation = 2}, log_,
                [this](Destination to) { asked_.push_back(to); }) {
    std::signal(SIGPIPE, SIG_IGN);
  }

  void introduce(Peer& peer, bool shared = false) {
    outbox_.introduced(peer.to, os::openWriteEnd(peer.pipe), shared);
  }
  // Messages of about a packet each, until there is no room.
  unsigned fill(const Peer& peer, unsigned from = 0) {
    unsigned count = from;
    while (outbox_.put(peer.to, castOf(large(count))) == Put::placed) ++count;
    return count;
  }
  static std::string large(unsigned number) { return std::to_string(number) + std::string(3000, ' '); }
  void answer(const Peer& peer, std::uint8_t index, Clock::time_point deadline = Clock::time_point::max()) {
    send(peer, resultOf(index, large(index)), deadline);
  }
  // As the end of a turn does it.
  void send(const Peer& peer, const Bytes& message, Clock::time_point deadline = Clock::time_point::max()) {
    const auto record = log_.addMessage(peer.to, deadline.time_since_epoch().count(), message);
    log_.commit();
    log_.carriedOut();
    outbox_.send(peer.to, message, record, deadline);
  }
  // As a cast outside of any turn is made: in its place, or else as any other. Whether it was.
  bool cast(const Peer& peer, const std::string& text) {
    const Bytes message = castOf(text);
    std::byte* const place = outbox_.place(peer.to, message.size());
    if (place == nullptr) {
      send(peer, message);
      return false;
    }
    std::memcpy(place, message.data(), message.size());
    outbox_.placed(message.size());
    return true;
  }
  // So that the next cast is made in its place.
  void makeRun(Peer& peer) {
    while (!cast(peer, "run")) {}
    outbox_.flush();
    peer.readAll();
  }
  // A successor sends what lies in the log once more, with these numbers, and says so.
  void expectSentAgain(Peer& peer, const std::vector<std::string>& texts, std::uint64_t first) {
    TurnLog log(*mapped_, 3);
    Outbox successor(loop_, {.actor = 5, .generation = 3}, log, [](Destination) {});
    successor.introduced(peer.to, os::openWriteEnd(peer.pipe));
    successor.resend();
    EXPECT_EQ(peer.read(), texts);
    EXPECT_EQ(peer.last.sequence, first);
    EXPECT_NE(peer.last.flags & wire::kMayRepeat, 0U);
  }
  // The numbers of the messages that are in the log.
  std::size_t inLog() const {
    std::size_t count = 0;
    LogWalk walk(mapped_->log);
    while (walk.next() != nullptr) {
      if (walk.header().kind >= LogRecord::message && walk.header().released == 0) ++count;
    }
    return count;
  }
  // Reads as messages come, until there are so many.
  std::vector<std::string> readUntil(Peer& peer, std::size_t count) {
    std::vector<std::string> all;
    EXPECT_TRUE(runUntil(loop_, [&] {
      for (auto texts = peer.read(); !texts.empty(); texts = peer.read())
        all.insert(all.end(), texts.begin(), texts.end());
      return all.size() >= count;
    }));
    return all;
  }

  loop::Loop loop_;
  std::vector<Destination> asked_;
  os::Fd memory_;
  MappedDesk mapped_;
  TurnLog log_;
  Outbox outbox_;
};

}  // namespace troupe::mailbox
