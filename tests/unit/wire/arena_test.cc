// Promises of the arena: blocks do not overlap and start as zeros, free neighbours are one, whoever frees late or twice changes
// nothing, and whatever instruction its sender dies at, its successor finds each block free or as the last whole step left it.
#include "wire/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <random>

#include "tests/support/sanitized.h"

namespace troupe::wire {
namespace {

constexpr std::size_t kPageWords = kArenaPage / sizeof(capnp::word);

struct Memory {
  explicit Memory(std::size_t dataPages)
      : bytes(arenaBytes(dataPages * kArenaPage)),
        at(static_cast<std::byte*>(std::aligned_alloc(kArenaPage, bytes)), &std::free) {
    std::memset(at.get(), 0, bytes);
  }
  Memory(const Memory& other) : Memory(other.span()) {}
  explicit Memory(std::span<std::byte> from)
      : bytes(from.size()), at(static_cast<std::byte*>(std::aligned_alloc(kArenaPage, bytes)), &std::free) {
    std::memcpy(at.get(), from.data(), bytes);
  }
  std::span<std::byte> span() const { return {at.get(), bytes}; }

  std::size_t bytes;
  std::unique_ptr<std::byte, void (*)(void*)> at;
};

bool allZero(const capnp::word* words, std::size_t count) {
  const auto* const bytes = reinterpret_cast<const char*>(words);
  return std::all_of(bytes, bytes + count * sizeof(capnp::word), [](char c) { return c == 0; });
}

void fill(const Arena::Given& block, char with) {
  std::memset(static_cast<void*>(block.data), with, block.ref.words * sizeof(capnp::word));
}

Arena::Given sentBlock(Arena& arena, std::size_t words, BlockTarget to = {.actor = 9, .lane = 0}) {
  auto block = arena.allocate(arena.nextSerial(), words);
  EXPECT_TRUE(block);
  arena.sending(block->ref, to);
  arena.sent(block->ref);
  return *block;
}

unsigned blocksIn(const Memory& memory) {
  unsigned count = 0;
  ArenaView(memory.span()).forEach([&](const ArenaView::Block&) { ++count; });
  return count;
}

TEST(Arena, holdsAsMuchAsItWasMadeFor) {
  for (const std::size_t pages : {1U, 2U, 100U, 5000U}) {
    const ArenaView view(Memory(pages).span());
    EXPECT_GE(view.pages(), pages);
    EXPECT_LE(view.pages(), pages + 2);
  }
  std::byte little[3] = {};
  EXPECT_EQ(ArenaView(std::span(little)).pages(), 0U);
}

TEST(Arena, givesZeroedBlocksThatDoNotOverlap) {
  const Memory memory(64);
  Arena arena(memory.span(), 1);
  const auto a = arena.allocate(arena.nextSerial(), 3 * kPageWords);
  const auto b = arena.allocate(arena.nextSerial(), 1);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->ref.words, 3 * kPageWords);
  EXPECT_EQ(b->ref.words, kPageWords);
  EXPECT_TRUE(allZero(a->data, a->ref.words));
  fill(*a, 'a');
  EXPECT_TRUE(allZero(b->data, b->ref.words));
  EXPECT_FALSE(arena.view().content(a->ref)) << "not sent yet";
}

TEST(Arena, aBlockThatIsUsedAgainIsZeroAgain) {
  const Memory memory(8);
  Arena arena(memory.span(), 1);
  for (int i = 0; i < 50; ++i) {
    const auto block = sentBlock(arena, 5 * kPageWords);
    EXPECT_TRUE(allZero(block.data, block.ref.words));
    fill(block, 'x');
    EXPECT_TRUE(arena.view().free(block.ref));
  }
}

TEST(Arena, whatIsAboutToBeOverwrittenIsNotCleared) {
  const Memory memory(8);
  Arena arena(memory.span(), 1);
  const auto before = sentBlock(arena, 5 * kPageWords);
  fill(before, 'x');
  arena.view().free(before.ref);
  const std::size_t overwritten = 2 * kPageWords + 3;
  const auto block = arena.allocate(arena.nextSerial(), 5 * kPageWords, overwritten);
  ASSERT_EQ(block->data, before.data);
  EXPECT_TRUE(allZero(block->data + overwritten, 5 * kPageWords - overwritten));
  EXPECT_FALSE(allZero(block->data, 1));
  fill(*block, 'y');
  arena.free(block->ref);
  const auto again = sentBlock(arena, 5 * kPageWords);
  EXPECT_TRUE(allZero(again.data, again.ref.words)) << "all of it, where nothing is overwritten";
}

// What was never written is not looked at: it may be no memory yet.
TEST(Arena, ofALongBlockOnlyThatIsClearedThatMayBeOtherThanZero) {
  constexpr std::size_t kPages = 512;
  const Memory memory(kPages);
  Arena arena(memory.span(), 1);
  const auto first = sentBlock(arena, kPages * kPageWords);
  arena.view().free(first.ref);
  auto* const bytes = reinterpret_cast<char*>(first.data);
  const std::size_t start = first.ref.offset;
  // Each page with an odd number among the first hundred, as the system would say.
  arena.findWith([&](std::size_t from, std::size_t to) {
    std::size_t page = (from - start) / kArenaPage;
    if (page % 2 == 0) ++page;
    const std::size_t at = std::max(from, start + page * kArenaPage);
    const std::size_t end = start + (page + 1) * kArenaPage;
    return page < 100 ? Arena::Stretch{at, std::min(end, to)} : Arena::Stretch{to, to};
  });
  for (std::size_t page = 0; page < kPages; ++page) bytes[page * kArenaPage] = 'x';
  const auto second = sentBlock(arena, kPages * kPageWords);
  ASSERT_EQ(second.data, first.data);
  for (std::size_t page = 0; page < kPages; ++page)
    EXPECT_EQ(bytes[page * kArenaPage], page < 100 && page % 2 == 1 ? 0 : 'x') << page;
}

TEST(Arena, theReceiverReadsInPlaceAndFrees) {
  const Memory memory(8);
  Arena arena(memory.span(), 1);
  auto block = *arena.allocate(arena.nextSerial(), 10);
  fill(block, 'r');
  arena.shrink(block.ref, 10);
  arena.sending(block.ref, {.actor = 4, .lane = 1});
  const ArenaView receiver(memory.span());
  EXPECT_TRUE(receiver.content(block.ref)) << "its packet may be there before its sender goes on";
  arena.sent(block.ref);
  const auto content = receiver.content(block.ref);
  ASSERT_TRUE(content);
  EXPECT_EQ(content->data(), block.data);
  EXPECT_EQ(content->size(), 10U);
  receiver.forEach([](const ArenaView::Block& each) {
    EXPECT_EQ(each.state, BlockState::sent);
    EXPECT_EQ(each.to, (BlockTarget{.actor = 4, .lane = 1}));
  });
  EXPECT_TRUE(receiver.free(block.ref));
  EXPECT_FALSE(receiver.free(block.ref)) << "twice";
  EXPECT_FALSE(receiver.content(block.ref));
  EXPECT_TRUE(receiver.empty());
}

TEST(Arena, oneReceiverTakesABlockAndNoOther) {
  const Memory memory(4);
  Arena arena(memory.span(), 1);
  const auto block = sentBlock(arena, 1);
  EXPECT_TRUE(arena.view().take(block.ref));
  EXPECT_FALSE(arena.view().take(block.ref));
  arena.sending(block.ref, {.actor = 9, .lane = 0});
  arena.sent(block.ref);
  arena.unsent(block.ref);
  EXPECT_FALSE(arena.view().take(block.ref)) << "a repetition changes nothing";
  EXPECT_TRUE(arena.view().content(block.ref));
  EXPECT_TRUE(arena.view().move(block.ref, BlockState::taken, BlockState::sent)) << "its receiver died";
  EXPECT_TRUE(arena.view().take(block.ref));
  Arena successor(memory.span(), 2);
  EXPECT_TRUE(successor.view().content(block.ref));
  EXPECT_TRUE(successor.view().free(block.ref));
  EXPECT_FALSE(successor.view().take(block.ref));
}

TEST(Arena, whoFreesLateHarmsNoLaterUse) {
  const Memory memory(4);
  Arena arena(memory.span(), 1);
  const auto first = sentBlock(arena, 1);
  arena.view().free(first.ref);
  const auto second = sentBlock(arena, 1);
  ASSERT_EQ(second.ref.offset, first.ref.offset) << "used again";
  EXPECT_FALSE(arena.view().free(first.ref));
  arena.sent(first.ref);
  arena.unsent(first.ref);
  EXPECT_TRUE(arena.view().content(second.ref));
}

TEST(Arena, freeNeighboursAreOneStretch) {
  const Memory memory(256);
  Arena arena(memory.span(), 1);
  const std::size_t pages = arena.view().pages();
  std::vector<Arena::Given> blocks;
  while (auto block = arena.allocate(arena.nextSerial(), 2 * kPageWords)) blocks.push_back(*block);
  ASSERT_EQ(blocks.size(), pages / 2);
  std::shuffle(blocks.begin(), blocks.end(), std::minstd_rand(7));
  for (const auto& block : blocks) arena.free(block.ref);
  EXPECT_TRUE(arena.allocate(arena.nextSerial(), pages * kPageWords)) << "all of it";
}

TEST(Arena, saysThatThereIsNoRoom) {
  const Memory memory(16);
  Arena arena(memory.span(), 1);
  EXPECT_FALSE(arena.allocate(1, (arena.view().pages() + 1) * kPageWords));
  EXPECT_FALSE(arena.allocate(1, ~std::size_t{0} / 2));
  const auto all = arena.allocate(1, arena.view().pages() * kPageWords);
  ASSERT_TRUE(all);
  EXPECT_FALSE(arena.allocate(2, 1));
  EXPECT_EQ(arena.usedBytes(), arena.capacityBytes());
  arena.free(all->ref);
  EXPECT_TRUE(arena.allocate(3, 1));
}

TEST(Arena, whatIsTooMuchOfABlockIsFree) {
  const Memory memory(16);
  Arena arena(memory.span(), 1);
  auto block = *arena.allocate(arena.nextSerial(), 10 * kPageWords);
  arena.shrink(block.ref, 2 * kPageWords + 1);
  EXPECT_EQ(arena.usedBytes(), 3 * kArenaPage);
  EXPECT_EQ(block.ref.words, 2 * kPageWords + 1);
  const auto next = arena.allocate(arena.nextSerial(), 1);
  EXPECT_EQ(next->ref.offset, block.ref.offset + 3 * kArenaPage);
}

TEST(Arena, givesBackWhatIsFreeAndWasUsed) {
  const Memory memory(64);
  Arena arena(memory.span(), 1);
  const auto keep = sentBlock(arena, kPageWords);
  const auto gone = sentBlock(arena, 20 * kPageWords);
  arena.free(gone.ref);
  std::vector<std::pair<std::size_t, std::size_t>> punched;
  const auto punch = [&](std::size_t offset, std::size_t bytes) {
    punched.emplace_back(offset, bytes);
    std::memset(memory.at.get() + offset, 0, bytes);
    return true;
  };
  EXPECT_TRUE(arena.trim(punch)) << "one is still used";
  ASSERT_EQ(punched.size(), 1U);
  EXPECT_EQ(punched[0], (std::pair<std::size_t, std::size_t>(gone.ref.offset, 20 * kArenaPage)));
  EXPECT_TRUE(arena.trim(punch));
  EXPECT_EQ(punched.size(), 1U) << "once";
  arena.view().free(keep.ref);
  EXPECT_FALSE(arena.trim(punch));
  EXPECT_EQ(punched.back(),
            (std::pair<std::size_t, std::size_t>(kArenaPage, arena.view().dataStart() - kArenaPage)));
  EXPECT_FALSE(arena.trim(punch));
  EXPECT_EQ(punched.size(), 3U);
  EXPECT_TRUE(arena.view().content(sentBlock(arena, 5).ref)) << "and it goes on";
}

TEST(Arena, theSuccessorKeepsWhatWasSentAndWhatIsCommitted) {
  const Memory memory(64);
  Arena first(memory.span(), 1);
  const auto sent = sentBlock(first, 3 * kPageWords);
  const auto building = first.allocate(first.nextSerial(), 4 * kPageWords);
  const auto committed = first.allocate(first.nextSerial(), 5 * kPageWords);
  const auto doubtful = first.allocate(first.nextSerial(), 1);
  first.sending(doubtful->ref, {.actor = 5, .lane = 0});

  const BlockRef kept[] = {
      committed->ref, {.offset = building->ref.offset, .serial = building->ref.serial + 100, .words = 1}};
  Arena second(memory.span(), 2, kept);
  EXPECT_EQ(second.usedBytes(), 9 * kArenaPage);
  EXPECT_TRUE(second.view().content(sent.ref));
  EXPECT_FALSE(second.view().free(building->ref));
  second.sending(committed->ref, {.actor = 9, .lane = 0});
  second.sent(committed->ref);
  EXPECT_TRUE(second.view().content(committed->ref));
  EXPECT_TRUE(second.view().content(doubtful->ref));
  EXPECT_NE(second.nextSerial(), sent.ref.serial);
  for (const auto& block : {sent, *committed, *doubtful}) EXPECT_TRUE(second.view().free(block.ref));
  EXPECT_TRUE(second.allocate(1, second.view().pages() * kPageWords));
}

// One life with all that an arena does; the receiver's part included.
std::vector<Arena::Given> live(Arena& arena) {
  std::vector<Arena::Given> sent;
  sent.push_back(sentBlock(arena, 3 * kPageWords));
  const auto dropped = arena.allocate(arena.nextSerial(), 2 * kPageWords);
  sent.push_back(sentBlock(arena, kPageWords));
  arena.free(dropped->ref);
  auto shrunk = arena.allocate(arena.nextSerial(), 9 * kPageWords);
  arena.shrink(shrunk->ref, 4 * kPageWords);
  arena.sending(shrunk->ref, {.actor = 3, .lane = 0});
  arena.unsent(shrunk->ref);
  arena.view().free(sent[0].ref);
  sent.push_back(sentBlock(arena, 2 * kPageWords));
  arena.sending(shrunk->ref, {.actor = 3, .lane = 0});
  arena.sent(shrunk->ref);
  sent.push_back(*shrunk);
  return sent;
}

TEST(Arena, diesAtAnyStoreAndIsTakenOver) {
  std::vector<Memory> deaths;
  const Memory memory(32);
  Arena arena(memory.span(), 1);
  arena.watch([&] { deaths.emplace_back(memory); });
  const auto sent = live(arena);
  ASSERT_GT(deaths.size(), 20U);
  for (const Memory& dead : deaths) {
    std::map<std::uint64_t, bool> found;  // offset -> kept
    std::size_t kept = 0;
    ArenaView(dead.span()).forEach([&](const ArenaView::Block& block) {
      if (block.state == BlockState::building) return;
      kept += block.pages;
    });
    Arena successor(dead.span(), 2);
    EXPECT_EQ(successor.usedBytes(), kept * kArenaPage);
    std::vector<BlockRef> refs;
    successor.view().forEach([&](const ArenaView::Block& block) {
      EXPECT_NE(block.state, BlockState::building);
      refs.push_back(successor.view().refTo(block));
    });
    for (const BlockRef& ref : refs) EXPECT_TRUE(successor.view().free(ref));
    EXPECT_TRUE(successor.allocate(1, successor.view().pages() * kPageWords)) << "nothing was lost";
  }
  unsigned readable = 0;
  for (const auto& block : sent) readable += arena.view().content(block.ref) ? 1 : 0;
  EXPECT_EQ(readable, 3U);
}

// A block, as the test knows it.
struct Known {
  Arena::Given block;
  bool sent = false;
  char content = 0;
};

TEST(Arena, agreesWithAModelForAnyOrderOfSteps) {
  std::mt19937 random(42);
  for (int round = 0; round < (tests::kSanitized ? 5 : 30); ++round) {
    const Memory memory(128);
    auto arena = std::make_unique<Arena>(memory.span(), 1);
    std::uint32_t generation = 1;
    std::vector<Known> known;
    for (int step = 0; step < 400; ++step) {
      const unsigned what = random() % 16;
      if (what < 6) {
        const std::size_t words = 1 + random() % (random() % 4 == 0 ? 40 * kPageWords : 3 * kPageWords);
        const auto block = arena->allocate(arena->nextSerial(), words);
        if (!block) continue;
        ASSERT_TRUE(allZero(block->data, block->ref.words));
        Known one{.block = *block, .content = static_cast<char>('a' + random() % 26)};
        fill(one.block, one.content);
        if (random() % 2 == 0) arena->shrink(one.block.ref, 1 + random() % words);
        known.push_back(one);
      } else if (what < 9 && !known.empty()) {
        Known& one = known[random() % known.size()];
        if (!one.sent) arena->sending(one.block.ref, {.actor = 1, .lane = 0});
        arena->sent(one.block.ref);
        one.sent = true;
      } else if (what < 14 && !known.empty()) {
        std::swap(known[random() % known.size()], known.back());
        ASSERT_TRUE(arena->view().free(known.back().block.ref));
        ASSERT_FALSE(arena->view().free(known.back().block.ref));
        known.pop_back();
      } else if (what == 14) {
        arena->trim([&](std::size_t offset, std::size_t bytes) {
          std::memset(memory.at.get() + offset, 0, bytes);
          return true;
        });
      } else if (random() % 8 == 0) {
        arena = std::make_unique<Arena>(memory.span(), ++generation);
        std::erase_if(known, [](const Known& one) { return !one.sent; });
      }
      std::size_t pages = 0;
      for (const Known& one : known) {
        const std::string_view bytes(reinterpret_cast<const char*>(one.block.data), one.block.ref.words * 8);
        ASSERT_EQ(bytes.find_first_not_of(one.content), std::string_view::npos);
        ASSERT_EQ(arena->view().content(one.block.ref).has_value(), one.sent);
        pages += (one.block.ref.words + kPageWords - 1) / kPageWords;
      }
      ASSERT_EQ(blocksIn(memory), known.size());
      ASSERT_LE(pages * kArenaPage, arena->usedBytes());
    }
    for (const Known& one : known) arena->view().free(one.block.ref);
    ASSERT_TRUE(arena->allocate(1, arena->view().pages() * kPageWords));
  }
}

TEST(Arena, whateverStandsInItsMemoryItGoesOn) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 300; ++round) {
    const Memory memory(48);
    const ArenaView view(memory.span());
    const auto garble = [&] {
      auto* const words = reinterpret_cast<std::uint64_t*>(memory.at.get());
      for (std::size_t i = 0; i < view.dataStart() / 8; ++i) {
        if (random() % 4 != 0) words[i] = random() % 3 == 0 ? random() % 200 : random();
      }
      if (random() % 2 == 0) view.header().layout = kArenaLayout;
      if (random() % 2 == 0) view.header().highest = random() % 60;
    };
    garble();
    Arena arena(memory.span(), 3);
    for (int step = 0; step < 40; ++step) {
      if (random() % 8 == 0) garble();
      const BlockRef lie{.offset = random() % 2 == 0 ? random() : view.offsetOf(random() % 64),
                         .serial = random() % 2 == 0 ? random() : random() % 64,
                         .words = static_cast<std::uint32_t>(random())};
      if (const auto content = view.content(lie)) {
        ASSERT_LE(content->data() + content->size(),
                  reinterpret_cast<const capnp::word*>(memory.at.get() + memory.bytes));
      }
      view.free(lie);
      auto block = arena.allocate(arena.nextSerial(), 1 + random() % (9 * kPageWords));
      if (!block) continue;
      fill(*block, 'h');
      arena.shrink(block->ref, 1 + random() % block->ref.words);
      arena.sending(block->ref, {});
      arena.sent(block->ref);
      if (random() % 2 == 0) arena.free(block->ref);
      arena.trim([](std::size_t, std::size_t) { return true; });
      view.empty();
    }
  }
}

TEST(Arena, refusesEveryLieAboutABlock) {
  const Memory memory(8);
  Arena arena(memory.span(), 1);
  const auto block = sentBlock(arena, kPageWords);
  const auto lie = [&](auto change) {
    BlockRef ref = block.ref;
    change(ref);
    return arena.view().content(ref).has_value() ||
           (!(ref == block.ref) && ref.words == block.ref.words && arena.view().free(ref));
  };
  EXPECT_FALSE(lie([](BlockRef& ref) { ref.words += 1; }));
  EXPECT_FALSE(lie([](BlockRef& ref) { ref.words = UINT32_MAX; }));
  EXPECT_FALSE(lie([](BlockRef& ref) { ref.serial += 1; }));
  EXPECT_FALSE(lie([](BlockRef& ref) { ref.serial |= 1ULL << 63; }));
  EXPECT_FALSE(lie([](BlockRef& ref) { ref.offset += 8; }));
  EXPECT_FALSE(lie([](BlockRef& ref) { ref.offset += kArenaPage; }));
  EXPECT_FALSE(lie([](BlockRef& ref) { ref.offset = 0; }));
  EXPECT_FALSE(lie([](BlockRef& ref) { ref.offset = UINT64_MAX - 7; }));
  EXPECT_FALSE(lie([&](BlockRef& ref) { ref.offset = memory.bytes; }));
  EXPECT_TRUE(arena.view().content(block.ref));
}

}  // namespace
}  // namespace troupe::wire
