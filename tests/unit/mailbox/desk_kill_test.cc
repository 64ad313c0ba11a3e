// A process that reads from a desk is killed at any of its instructions, again and again: each message is
// handled once, or was in hand once.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <random>

#include "mailbox/desk.h"
#include "mailbox/settle.h"
#include "os/packet_pipe.h"
#include "tests/unit/os/children.h"
#include "tests/unit/wire/messages.h"

namespace troupe::mailbox {
namespace {

constexpr std::uint64_t kMessages = 60'000;

struct Seen {
  std::atomic<std::uint8_t> begun[kMessages];
  std::atomic<std::uint64_t> sum;
};

std::uint64_t numberOf(std::span<const capnp::word> words) {
  return wire::IncomingMessage(words).envelope().getCall().getCall();
}

// Some messages are finished at once, others later and in another order, as a reentrant actor does.
[[noreturn]] void handleForEver(const os::Fd& memory, os::Fd mailbox, Seen& seen) {
  const MappedDesk mapped(memory);
  Desk desk(*mapped, std::move(mailbox), [](wire::ActorId, const std::string&) { ::_exit(9); });
  std::vector<MessageToken> open;
  for (;;) {
    const auto message = desk.next();
    if (message) {
      const std::uint64_t number = numberOf(message->words);
      ++seen.begun[number];
      ++seen.sum;
      open.push_back(message->token);
    }
    if (!message && open.empty()) os::test::becomesReadable(desk.mailboxFd());
    while (!open.empty() && (!message || open.size() > 5)) {
      desk.finish(open[open.size() / 2]);
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(open.size() / 2));
    }
  }
}

TEST(DeskKill, NoMessageIsLostOrSeenTwiceWhenItsReaderIsKilledAtAnyInstruction) {
  const os::Fd memory = os::makeSharedMemory("desk", kDeskBytes);
  const os::Fd pipe = os::makePacketPipe();
  const os::Fd writer = os::openWriteEnd(pipe);
  void* const shared =
      ::mmap(nullptr, sizeof(Seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto& seen = *new (shared) Seen;
  std::mt19937 random(99);
  std::vector<std::uint8_t> inHand(kMessages);
  std::uint64_t next = 0;
  unsigned kills = 0;

  const auto write = [&](unsigned packets) {
    for (unsigned i = 0; i < packets && next < kMessages; ++i) {
      wire::PacketBuilder builder;
      const std::uint64_t first = next;
      for (std::size_t n = 1 + random() % 30; n > 0 && next < kMessages && builder.append(test::callOf(next));
           --n)
        ++next;
      const auto bytes = builder.finish(1, 1, 1);
      if (os::writePacket(writer.get(), bytes.data(), bytes.size()) == os::PipeState::wouldBlock) {
        next = first;
        return;
      }
    }
  };
  while (seen.sum < kMessages) {
    os::test::Child child([&]() -> int { handleForEver(memory, os::openReadEnd(pipe), seen); });
    // It dies in the middle of its work: wherever it happens to be when so much of it is done.
    const std::uint64_t until = std::min(kMessages, seen.sum + random() % 1500);
    const auto late = loop::Clock::now() + std::chrono::seconds(60);
    while (seen.sum < until) {
      write(8);
      ASSERT_LT(loop::Clock::now(), late) << "messages got lost";
    }
    child.kill(SIGKILL);
    EXPECT_EQ(WTERMSIG(child.wait()), SIGKILL);
    ++kills;
    const bool inTheDeadsHands = anyInHand(memory);
    const Settlement settlement = settle(memory);
    EXPECT_EQ(inTheDeadsHands, !settlement.dropped.empty());
    EXPECT_FALSE(anyInHand(memory)) << "it was dealt with";
    EXPECT_EQ(settlement.dropped.size(), settlement.calls.size());
    for (const CallInHand& call : settlement.calls) {
      ASSERT_LT(call.call, kMessages);
      ++inHand[call.call];
      // Killed between taking it and noting it down.
      if (seen.begun[call.call] == 0) ++seen.begun[call.call];
    }
    std::uint64_t sum = 0;
    for (const auto& begun : seen.begun) sum += begun;
    seen.sum = sum;
  }
  for (std::uint64_t i = 0; i < kMessages; ++i) {
    ASSERT_EQ(seen.begun[i], 1) << i;
    ASSERT_LE(inHand[i], 1) << i;
  }
  EXPECT_GT(kills, 20U);
  ::munmap(shared, sizeof(Seen));
}

}  // namespace
}  // namespace troupe::mailbox
