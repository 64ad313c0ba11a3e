// Which messages can be read without looking out, and that nothing is read beside them.
#include "wire/plain.h"

#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/schema.capnp.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>
#include <troupe/protocol.h>

#include <cstring>
#include <random>
#include <string_view>
#include <vector>

namespace troupe::wire {
namespace {

using WordList = std::vector<std::uint64_t>;

bool isPlain(const WordList& words) {
  return wire::isPlain({reinterpret_cast<const capnp::word*>(words.data()), words.size()});
}

WordList inWords(capnp::MessageBuilder& message) {
  const auto flat = capnp::messageToFlatArray(message);
  WordList words(flat.size());
  std::memcpy(words.data(), flat.begin(), flat.asBytes().size());
  return words;
}

// One segment of these words.
WordList segmentOf(WordList words) {
  words.insert(words.begin(), std::uint64_t{words.size()} << 32);
  return words;
}

constexpr std::uint64_t structAt(std::int32_t offset, std::uint64_t data, std::uint64_t pointers) {
  return static_cast<std::uint32_t>(offset << 2) | data << 32 | pointers << 48;
}
constexpr std::uint64_t listAt(std::int32_t offset, std::uint64_t size, std::uint64_t count) {
  return static_cast<std::uint32_t>(offset << 2) | 1U | size << 32 | count << 35;
}

// Structs, texts, lists of all kinds, and structs in lists in structs.
void fill(capnp::schema::Node::Builder node) {
  node.setDisplayName("a name");
  auto nested = node.initNestedNodes(3);
  for (unsigned i = 0; i < nested.size(); ++i) nested[i].setName("nested");
  auto fields = node.initStruct().initFields(4);
  fields[1].setName("field");
  auto value = fields[1].initSlot().initDefaultValue();
  value.setData(kj::heapArray<kj::byte>(13));
  node.initAnnotations(2)[1].initValue().setText("text");
}

TEST(Plain, HonestMessagesOfOneSegmentAre) {
  capnp::MallocMessageBuilder message;
  fill(message.initRoot<capnp::schema::Node>());
  EXPECT_TRUE(isPlain(inWords(message)));
  capnp::MallocMessageBuilder empty;
  empty.getRoot<capnp::AnyPointer>();
  EXPECT_TRUE(isPlain(inWords(empty)));
  capnp::MallocMessageBuilder lists;
  auto pointers = lists.getRoot<capnp::AnyPointer>()
                      .initAsAnyList(capnp::ElementSize::POINTER, 8)
                      .as<capnp::List<capnp::AnyPointer>>();
  using capnp::ElementSize;
  unsigned at = 0;
  for (const auto size : {ElementSize::BIT, ElementSize::BYTE, ElementSize::TWO_BYTES,
                          ElementSize::FOUR_BYTES, ElementSize::EIGHT_BYTES, ElementSize::POINTER})
    pointers[at++].initAsAnyList(size, 13);
  EXPECT_TRUE(isPlain(inWords(lists)));
}

TEST(Plain, OfSeveralSegmentsAreNot) {
  capnp::MallocMessageBuilder message(8, capnp::AllocationStrategy::FIXED_SIZE);
  fill(message.initRoot<capnp::schema::Node>());
  ASSERT_GT(message.getSegmentsForOutput().size(), 1U);
  EXPECT_FALSE(isPlain(inWords(message)));
}

TEST(Plain, WhatLeadsOutsideIsNot) {
  EXPECT_TRUE(isPlain(segmentOf({structAt(0, 1, 0), 5})));
  EXPECT_FALSE(isPlain(segmentOf({structAt(0, 2, 0), 5})));
  EXPECT_FALSE(isPlain(segmentOf({structAt(1, 1, 0), 5})));
  EXPECT_FALSE(isPlain(segmentOf({structAt(-3, 1, 0), 5})));
  EXPECT_FALSE(isPlain(segmentOf({structAt(0, 0, 0xffff), 5})));
  EXPECT_TRUE(isPlain(segmentOf({listAt(0, 2, 8), 5})));
  EXPECT_FALSE(isPlain(segmentOf({listAt(0, 2, 9), 5})));
  EXPECT_FALSE(isPlain(segmentOf({listAt(0, 5, (1U << 29) - 1), 5})));
  EXPECT_FALSE(isPlain(segmentOf({listAt(0, 7, 1), structAt(1, 1, 0)}))) << "no room for the element";
  EXPECT_FALSE(isPlain(segmentOf({listAt(0, 7, 1), structAt(2, 1, 0), 5}))) << "more elements than words";
  EXPECT_TRUE(isPlain(segmentOf({listAt(0, 7, 1), structAt(1, 1, 0), 5})));
  EXPECT_FALSE(isPlain(segmentOf({listAt(0, 7, 1), listAt(1, 1, 0), 5}))) << "a tag that is none";
}

TEST(Plain, FarPointersAndCapabilitiesAreNot) {
  EXPECT_FALSE(isPlain(segmentOf({2, 0})));
  EXPECT_FALSE(isPlain(segmentOf({3, 0})));
  EXPECT_FALSE(isPlain(segmentOf({structAt(0, 0, 1), 3})));
}

TEST(Plain, WhatPretendsToBeMoreThanThereIsIsNot) {
  EXPECT_FALSE(isPlain(segmentOf({listAt(0, 0, (1U << 29) - 1)}))) << "a list of nothing";
  EXPECT_FALSE(isPlain(segmentOf({listAt(0, 7, 0), structAt((1 << 29) - 1, 0, 0)})))
      << "and of empty structs";
  EXPECT_FALSE(isPlain(segmentOf({structAt(-1, 0, 1)}))) << "a struct that holds itself";
  // Each level has two pointers to the next.
  WordList levels;
  for (int i = 0; i < 40; ++i) levels.insert(levels.end(), {structAt(1, 0, 2), structAt(0, 0, 2)});
  EXPECT_FALSE(isPlain(segmentOf(levels)));
}

TEST(Plain, WhatIsTooDeepIsNot) {
  const auto chain = [](std::size_t depth) {
    WordList words(depth, structAt(0, 0, 1));
    words.push_back(0);
    return segmentOf(words);
  };
  EXPECT_TRUE(isPlain(chain(64)));
  EXPECT_FALSE(isPlain(chain(65)));
}

TEST(Plain, WhatIsCutShortIsNot) {
  capnp::MallocMessageBuilder message;
  fill(message.initRoot<capnp::schema::Node>());
  WordList words = inWords(message);
  while (!words.empty()) {
    words.pop_back();
    EXPECT_FALSE(isPlain(words)) << words.size();
  }
}

class Damaged : public testing::TestWithParam<unsigned> {};

// Sanitizers see to it that nothing beside the words is read.
TEST_P(Damaged, MessagesThatArePlainAllTheSameCanBeReadAsAnything) {
  std::mt19937_64 random(GetParam());
  capnp::MallocMessageBuilder message;
  fill(message.initRoot<capnp::schema::Node>());
  const WordList whole = inWords(message);
  unsigned plain = 0;
  for (int i = 0; i < 3000; ++i) {
    WordList words = whole;
    for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips) {
      std::uint64_t& word = words[1 + random() % (words.size() - 1)];
      word = random() % 3 == 0 ? whole[random() % whole.size()] : word ^ 1ULL << random() % 64;
    }
    if (!isPlain(words)) continue;
    ++plain;
    const auto* const root = reinterpret_cast<const capnp::word*>(words.data()) + 1;
    try {
      checkAny(capnp::readMessageUnchecked<capnp::AnyPointer>(root));
    } catch (const kj::Exception&) {
      // A text without its end, say.
    }
    try {
      const auto node = capnp::readMessageUnchecked<capnp::schema::Node>(root);
      static_cast<void>(kj::str(node.getDisplayName(), node.getNestedNodes().size()));
      for (const auto nested : node.getNestedNodes()) static_cast<void>(kj::str(nested.getName()));
      if (node.isStruct())
        for (const auto field : node.getStruct().getFields())
          if (field.isSlot() && field.getSlot().getDefaultValue().isData())
            static_cast<void>(kj::str(field.getSlot().getDefaultValue().getData()));
    } catch (const kj::Exception&) {}
  }
  EXPECT_GT(plain, 100U);
}

// An envelope around parameters of two numbers, a text and data.
WordList castOf(std::uint64_t number, std::string_view text, std::size_t dataBytes) {
  const auto wordsOf = [](std::size_t bytes) { return (bytes + 7) / 8; };
  const std::size_t behind = wordsOf(text.size() + 1) + wordsOf(dataBytes);
  WordList words(PlainEnvelope::wordsFor(EnvelopeHead::cast, 4 + behind));
  const PlainEnvelope envelope(words, EnvelopeHead::cast, 7, 3, 2, 2);
  envelope.params()[0] = envelope.params()[1] = number;
  envelope.params()[2] = listAt(1, 2, text.size() + 1);
  envelope.params()[3] = listAt(static_cast<std::int32_t>(wordsOf(text.size() + 1)), 2, dataBytes);
  std::memcpy(envelope.params() + 4, text.data(), text.size());
  return words;
}

std::span<const capnp::word> asMessage(const WordList& words) {
  return {reinterpret_cast<const capnp::word*>(words.data()), words.size()};
}

TEST(PlainHeads, NothingIsNoMessageAlsoWhenNoneWasReadBefore) {
  PlainHeads heads;
  EnvelopeHead head;
  EXPECT_FALSE(heads.read({}, head));
  const std::vector<capnp::word> one(1);
  EXPECT_FALSE(heads.read(one, head));
}

TEST(PlainHeads, OfMessagesThatAreAlikeAreEachItsOwn) {
  PlainHeads heads;
  for (std::uint64_t i = 0; i < 4; ++i) {
    WordList words = castOf(i, "a text", 20);
    words[2] = 100 + i;  // the interface
    EnvelopeHead head;
    ASSERT_TRUE(heads.read(asMessage(words), head));
    EXPECT_EQ(head.kind, EnvelopeHead::cast);
    EXPECT_EQ(head.interface, 100 + i);
    EXPECT_EQ(head.method, 3);
    EXPECT_EQ(head.body, asMessage(words).data() + 4);
  }
}

// What it remembers of those before makes no difference, whatever is wrong with a message.
TEST_P(Damaged, MessagesAreJudgedAsIfEachWereTheFirst) {
  std::mt19937_64 random(GetParam());
  PlainHeads heads;
  unsigned plain = 0;
  for (int i = 0; i < 5000; ++i) {
    WordList words = castOf(random(), "a text", random() % 2 == 0 ? 20 : 24);
    if (random() % 2 == 0) words[1 + random() % (words.size() - 1)] ^= 1ULL << random() % 64;
    if (random() % 16 == 0) words[0] ^= 1ULL << (32 + random() % 4);
    if (random() % 16 == 0) words.pop_back();
    EnvelopeHead head, alone;
    const bool read = heads.read(asMessage(words), head);
    ASSERT_EQ(read, PlainHeads().read(asMessage(words), alone));
    if (!read) continue;
    ++plain;
    EXPECT_TRUE(isPlain(words));
    EXPECT_EQ(head.kind, alone.kind);
    EXPECT_EQ(head.interface, alone.interface);
    EXPECT_EQ(head.method, alone.method);
    EXPECT_EQ(head.number, alone.number);
    EXPECT_EQ(head.large, alone.large);
    EXPECT_EQ(head.references, alone.references);
    EXPECT_EQ(head.body, alone.body);
  }
  EXPECT_GT(plain, 100U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Damaged, testing::Range(0U, 6U));

}  // namespace
}  // namespace troupe::wire
