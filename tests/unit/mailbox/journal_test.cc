// A process that handles messages, keeps a count and sends each message on, is killed at any of its
// instructions, again and again: its successors go on as if nothing had been.
#include "mailbox/journal.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <random>

#include "mailbox/settle.h"
#include "os/packet_pipe.h"
#include "tests/unit/os/children.h"
#include "tests/unit/wire/messages.h"

namespace troupe::mailbox {
namespace {

constexpr Destination kSink{.actor = 9};
constexpr Destination kNobody{.actor = 10};  // does not read
constexpr std::uint64_t kForNobody = 20;     // of the first numbers

struct Kept {
  std::uint64_t handled = 0;
  std::uint64_t sum = 0;
};

std::uint64_t numberIn(std::span<const capnp::word> words) {
  return wire::IncomingMessage(words).envelope().getCall().getCall();
}

struct Ends {
  const os::Fd& memory;
  const os::Fd& mailbox;
  const os::Fd& sink;
};

class Process {
 public:
  Process(const Ends& ends, std::uint32_t generation, std::atomic<std::uint64_t>& turns)
      : memory_(ends.memory),
        log_(*memory_, generation),
        store_(memory_->kept),
        outbox_(loop_, {.actor = 5, .generation = generation}, log_, [](Destination) {}),
        desk_(*memory_, os::openReadEnd(ends.mailbox), [](wire::ActorId, const std::string&) { ::_exit(9); }),
        journal_(log_, store_, desk_, outbox_),
        turns_(turns) {
    outbox_.resend();
    outbox_.introduced(kSink, os::openWriteEnd(ends.sink));
    if (const auto found = store_.find("kept")) std::memcpy(&kept_, found->value.data(), sizeof kept_);
    place_ = store_.add("kept", 1, sizeof kept_, [this] { return std::as_bytes(std::span(&kept_, 1)); });
  }

  [[noreturn]] void live() {
    for (;;) {
      while (outbox_.hasRoom(kSink, 100) != Outbox::Put::placed) {
        const auto waiter = outbox_.whenRoom(kSink, [this] { loop_.stop(); });
        loop_.run();
      }
      if (const auto message = desk_.next()) {
        handle(*message);
        continue;
      }
      outbox_.flush();
      // All has left but what nobody reads, which is in one packet.
      test::runUntil(loop_, [this] { return outbox_.waitingPackets() <= 1; });
      os::test::becomesReadable(desk_.mailboxFd());
    }
  }

 private:
  void handle(const Desk::Message& message) {
    const std::uint64_t number = numberIn(message.words);
    ++kept_.handled;
    kept_.sum += number;
    store_.touch(place_);
    StagedMessages staged;
    staged.add(kSink, test::callOf(number, std::string(400, 'x')));
    if (number < kForNobody) staged.add(kNobody, test::callOf(number));
    journal_.commit(message.token, staged, true);
    if (number % 7 != 0) outbox_.flush();
    ++turns_;
  }

  loop::Loop loop_;
  MappedDesk memory_;
  TurnLog log_;
  KeptStore store_;
  Outbox outbox_;
  Desk desk_;
  Journal journal_;
  Kept kept_;
  std::size_t place_;
  std::atomic<std::uint64_t>& turns_;
};

class JournalKill : public testing::TestWithParam<unsigned> {
 protected:
  JournalKill() { std::signal(SIGPIPE, SIG_IGN); }
  // The sink is the test itself, with a desk of its own.
  void readSink() {
    while (const auto message = sinkDesk_.next()) {
      const std::uint64_t number = numberIn(message->words);
      ASSERT_LT(number, received_.size());
      ++received_[number];
      EXPECT_GT(number + 1, last_) << "out of order";
      last_ = number;
      sinkDesk_.finish(message->token);
      ++sum_;
    }
  }
  void write(std::uint64_t until) {
    while (next_ < until) {
      wire::PacketBuilder builder;
      const std::uint64_t first = next_;
      while (next_ < until && builder.messages() < 1 + first % 20 && builder.append(test::callOf(next_)))
        ++next_;
      const auto bytes = builder.finish(1, 1, first + 1);
      if (os::writePacket(writer_.get(), bytes.data(), bytes.size()) == os::PipeState::done) continue;
      next_ = first;
      return;
    }
  }

  os::Fd memory_ = os::makeSharedMemory("desk", kDeskBytes);
  os::Fd mailbox_ = os::makePacketPipe();
  os::Fd writer_ = os::openWriteEnd(mailbox_);
  os::Fd sink_ = os::makePacketPipe();
  MappedDesk sinkMemory_{os::makeSharedMemory("desk", kDeskBytes)};
  Desk sinkDesk_{*sinkMemory_, os::openReadEnd(sink_),
                 [](wire::ActorId, const std::string& what) { ADD_FAILURE() << what; }};
  std::vector<unsigned> received_;
  std::uint64_t last_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t next_ = 0;
};

TEST_P(JournalKill, WhatIsKeptSentAndDoneAgreesWhateverInstructionItsProcessDiesAt) {
  constexpr std::uint64_t kNumbers = 12'000;
  const unsigned attempts = GetParam();
  received_.resize(kNumbers);
  void* const shared = ::mmap(nullptr, sizeof(std::atomic<std::uint64_t>), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto& turns = *new (shared) std::atomic<std::uint64_t>(0);
  std::mt19937 random(attempts);
  std::uint64_t dropped = 0;
  std::uint64_t droppedForNobody = 0;
  std::uint32_t generation = 0;
  while (sum_ + dropped < kNumbers) {
    ++generation;
    os::test::Child child([&]() -> int { Process({memory_, mailbox_, sink_}, generation, turns).live(); });
    const std::uint64_t until = turns + random() % 400;
    const auto late = loop::Clock::now() + std::chrono::seconds(60);
    while (turns < until && sum_ + dropped < kNumbers) {
      write(kNumbers);
      readSink();
      ASSERT_LT(loop::Clock::now(), late) << "messages got lost: " << sum_ << " came, dropped " << dropped;
    }
    child.kill(SIGKILL);
    EXPECT_EQ(WTERMSIG(child.wait()), SIGKILL);
    const Settlement settlement = settle(memory_, attempts);
    EXPECT_LE(settlement.dropped.size(), 1U);
    dropped += settlement.dropped.size();
    for (const CallInHand& call : settlement.calls) {
      ++received_[call.call];
      if (call.call < kForNobody) ++droppedForNobody;
    }
  }
  for (std::uint64_t i = 0; i < kNumbers; ++i) ASSERT_EQ(received_[i], 1U) << i;
  EXPECT_GT(generation, 20U);
  if (attempts > 1) {
    EXPECT_EQ(dropped, 0U);
  }
  Kept kept;
  std::memcpy(&kept, KeptStore(MappedDesk(memory_)->kept).find("kept")->value.data(), sizeof kept);
  EXPECT_EQ(kept.handled, sum_) << "what it counted is what it sent";
  std::vector<std::uint64_t> unsent;
  for (const auto& message : takeUnsent(memory_, 5, generation)) {
    wire::PacketView packet;
    ASSERT_EQ(wire::PacketView::parse(message.packet.data(), message.packet.size(), packet),
              wire::PacketFault::none);
    if (message.to == kNobody) unsent.push_back(numberIn(packet.message(0)));
  }
  EXPECT_TRUE(std::is_sorted(unsent.begin(), unsent.end()));
  EXPECT_EQ(unsent.size(), kForNobody - droppedForNobody);
  ::munmap(shared, sizeof(std::atomic<std::uint64_t>));
}

INSTANTIATE_TEST_SUITE_P(Attempts, JournalKill, testing::Values(1U, 250U));

}  // namespace
}  // namespace troupe::mailbox
