// How the desk reads: how many packets at once, and what it makes of those that it can't use.
#include <cstring>
#include <random>

#include "tests/support/sanitized.h"
#include "tests/unit/mailbox/desk_fixture.h"

namespace troupe::mailbox {
namespace {

TEST_F(DeskTest, AloneItTakesMoreAndMorePacketsAtOnceInTheirOrder) {
  for (const char* text : {"a", "b", "c", "d", "e", "f"}) deliverTexts({text});
  EXPECT_EQ(handle(), "a");
  EXPECT_EQ(packetsInPipe(), 5U) << "there may be no other";
  EXPECT_EQ(handle(), "b");
  EXPECT_EQ(packetsInPipe(), 3U);
  die();
  settle(memory_);
  start();
  EXPECT_EQ(handleAll(), "c d e f") << "what was taken lies on the desk";
  for (const char* text : {"g", "h"}) deliverTexts({text});
  EXPECT_EQ(handle(), "g");
  EXPECT_EQ(packetsInPipe(), 1U) << "the pipe was empty";
}

TEST_F(DeskTest, WhereOthersReadTooItTakesOneAtATime) {
  die();
  start(false);
  for (const char* text : {"a", "b", "c"}) deliverTexts({text});
  EXPECT_EQ(handle(), "a");
  EXPECT_EQ(packetsInPipe(), 2U);
}

TEST_F(DeskTest, ARepetitionThatWasReadAndNotOpenedWasHandled) {
  const auto say = [this](wire::ActorId from, const std::string& text, std::uint32_t flags) {
    wire::PacketBuilder builder;
    builder.append(castOf(text));
    const auto packet = builder.finish(from, 1, 1, flags);
    deliver({packet.begin(), packet.end()});
  };
  say(7, "once", 0);
  EXPECT_EQ(handle(), "once");
  say(8, "other", 0);
  say(7, "once", wire::kMayRepeat);
  EXPECT_EQ(handle(), "other");
  restart();
  EXPECT_TRUE(takeUnhandled(memory_).empty());
}

TEST_F(DeskTest, EachPacketWithoutMessagesIsReported) {
  const wire::PacketHeader header{.bytes = sizeof header, .messages = 0, .sender = 7, .sequence = 1};
  Bytes empty(sizeof header);
  std::memcpy(empty.data(), &header, sizeof header);
  for (int i = 0; i < 10; ++i) deliver(empty);
  EXPECT_EQ(handle(), "-");
  EXPECT_EQ(desk_->malformedPackets(), 10U);
}

// Whatever lies there, the root settles it, and a successor comes to an end with it.
TEST_F(DeskTest, OfAnyMemoryIsSurvived) {
  die();
  std::mt19937 random(7);
  const Bytes good = packetOf({callOf(1), castOf("x"), callOf(2)});
  // The rest is no different.
  constexpr std::size_t kWritten = offsetof(DeskMemory, log) + 65'536;
  for (int round = 0; round < (tests::kSanitized ? 300 : 2000); ++round) {
    auto* words = reinterpret_cast<std::uint32_t*>(&memory());
    for (std::size_t i = 0; i < kWritten / 4; i += 1 + random() % 64)
      words[i] = random() % 3 == 0 ? 0 : random();
    for (std::size_t slot = 0; slot < kDeskSlots; ++slot) {
      if (random() % 2 == 0) kernelWrites(slot, good);
      if (random() % 4 == 0) memory().header(slot).bytes = random() % 5000;
    }
    memory().layout = kDeskLayout;
    settle(memory_);
    if (random() % 4 == 0) takeUnhandled(memory_);
    start();
    unsigned handed = 0;
    for (auto message = desk_->next(); message; message = desk_->next(), ++handed) {
      if (random() % 2 == 0) desk_->finish(message->token);
      ASSERT_LE(handed, kDeskSlots * wire::kMaxPacketMessages);
    }
    die();
  }
}

}  // namespace
}  // namespace troupe::mailbox
