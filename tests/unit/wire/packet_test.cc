// The packet: what a sender puts in comes out, and no byte of a malformed one leads anywhere.
#include "wire/packet.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <random>

#include "tests/support/sanitized.h"
#include "tests/unit/wire/messages.h"

namespace troupe::wire {
namespace {

using test::Bytes;
using test::castOf;
using test::packetOf;
using test::textOf;

// Framing of `words` words in one segment, all zero.
Bytes blank(std::size_t words) {
  Bytes bytes((words + 1) * 8);
  const auto size = static_cast<std::uint32_t>(words);
  std::memcpy(bytes.data() + 4, &size, 4);
  return bytes;
}

// Memory whose last byte is the last one that can be read at all.
class Cliff {
 public:
  Cliff() : page_(::mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    ::mprotect(static_cast<char*>(page_) + kPage, kPage, PROT_NONE);
  }
  ~Cliff() { ::munmap(page_, 2 * kPage); }
  Cliff(const Cliff&) = delete;
  Cliff& operator=(const Cliff&) = delete;
  // A copy of the bytes, aligned to words, at the edge where their number allows it.
  const std::byte* put(std::span<const std::byte> bytes) {
    auto* at = static_cast<std::byte*>(page_) + kPage - (bytes.size() + 7) / 8 * 8;
    std::copy(bytes.begin(), bytes.end(), at);
    return at;
  }

 private:
  static constexpr std::size_t kPage = 8192;
  void* page_;
};

PacketFault faultOf(const Bytes& packet) {
  Cliff cliff;
  PacketView view;
  return PacketView::parse(cliff.put(packet), packet.size(), view);
}

template <class T>
Bytes with(Bytes packet, std::size_t at, T value) {
  std::memcpy(packet.data() + at, &value, sizeof value);
  return packet;
}

TEST(Packet, CarriesItsSenderAndItsMessagesInOrder) {
  const Bytes bytes = packetOf({castOf("one"), castOf("two"), castOf("three")}, 42, 7, 99);
  PacketView view;
  ASSERT_EQ(PacketView::parse(bytes.data(), bytes.size(), view), PacketFault::none);

  EXPECT_EQ(view.header().sender, 42U);
  EXPECT_EQ(view.header().generation, 7U);
  EXPECT_EQ(view.header().sequence, 99U);
  ASSERT_EQ(view.messages(), 3U);
  EXPECT_EQ(textOf(view.message(0)), "one");
  EXPECT_EQ(textOf(view.message(1)), "two");
  EXPECT_EQ(textOf(view.message(2)), "three");
}

TEST(Packet, TakesSixtyFourMessagesAndNoMore) {
  PacketBuilder builder;
  for (unsigned i = 0; i < kMaxPacketMessages; ++i) ASSERT_TRUE(builder.append(blank(1))) << i;
  EXPECT_FALSE(builder.append(blank(1)));

  const auto bytes = builder.finish(1, 1, 1);
  PacketView view;
  ASSERT_EQ(PacketView::parse(bytes.data(), bytes.size(), view), PacketFault::none);
  EXPECT_EQ(view.messages(), kMaxPacketMessages);
  EXPECT_EQ(view.message(63).size(), 2U);
}

TEST(Packet, TakesOneMessageOfAllItsRoomAndNotAWordMore) {
  PacketBuilder builder;
  EXPECT_FALSE(builder.append(blank(kMaxMessageBytes / 8)));
  ASSERT_TRUE(builder.append(blank(kMaxMessageBytes / 8 - 1)));
  EXPECT_FALSE(builder.append(blank(0)));

  const auto bytes = builder.finish(1, 1, 1);
  EXPECT_EQ(bytes.size(), kMaxPacketBytes);
  PacketView view;
  EXPECT_EQ(PacketView::parse(bytes.data(), bytes.size(), view), PacketFault::none);
}

TEST(Packet, IsEmptyAgainAfterClear) {
  PacketBuilder builder;
  builder.append(blank(4));
  builder.clear();
  EXPECT_TRUE(builder.empty());
  builder.append(blank(1));
  EXPECT_EQ(builder.finish(1, 1, 1).size(), sizeof(PacketHeader) + 16);
}

TEST(Packet, NamesWhatIsWrongWithIt) {
  const Bytes good = packetOf({castOf("a"), castOf("b")});
  const std::size_t body = sizeof(PacketHeader);
  ASSERT_EQ(faultOf(good), PacketFault::none);

  EXPECT_EQ(faultOf(Bytes()), PacketFault::tooShort);
  EXPECT_EQ(faultOf(Bytes(good.begin(), good.begin() + 31)), PacketFault::tooShort);
  EXPECT_EQ(faultOf(with(good, 4, std::uint16_t{2})), PacketFault::foreignVersion);
  EXPECT_EQ(faultOf(with(good, 0, static_cast<std::uint32_t>(good.size() + 8))), PacketFault::wrongLength);
  EXPECT_EQ(faultOf(with(good, 0, std::uint32_t{0})), PacketFault::wrongLength);
  EXPECT_EQ(faultOf(Bytes(good.begin(), good.end() - 8)), PacketFault::wrongLength) << "cut off on the way";
  EXPECT_EQ(faultOf(with(good, 6, std::uint16_t{0})), PacketFault::wrongCount);
  EXPECT_EQ(faultOf(with(good, 6, std::uint16_t{65})), PacketFault::wrongCount);
  EXPECT_EQ(faultOf(with(good, 6, std::uint16_t{1})), PacketFault::wrongFraming) << "something is left over";
  EXPECT_EQ(faultOf(with(good, 6, std::uint16_t{3})), PacketFault::wrongFraming) << "one is missing";
  EXPECT_EQ(faultOf(with(good, body, std::uint32_t{8})), PacketFault::wrongFraming) << "nine segments";
  EXPECT_EQ(faultOf(with(good, body, ~std::uint32_t{0})), PacketFault::wrongFraming) << "2^32 segments";
  EXPECT_EQ(faultOf(with(good, body + 4, ~std::uint32_t{0})), PacketFault::wrongFraming) << "a huge segment";
  EXPECT_EQ(faultOf(with(good, body + 4, std::uint32_t{511})), PacketFault::wrongFraming);
  EXPECT_EQ(faultOf(Bytes(sizeof(PacketHeader))), PacketFault::foreignVersion) << "all zero";
}

TEST(Packet, OfMoreBytesThanAPipeGivesIsRefused) {
  Bytes large(kMaxPacketBytes + 8);
  std::memcpy(large.data(), packetOf({blank(kMaxMessageBytes / 8 - 1)}).data(), kMaxPacketBytes);
  EXPECT_EQ(faultOf(with(large, 0, std::uint32_t{kMaxPacketBytes + 8})), PacketFault::wrongLength);
}

TEST(Packet, MayHoldMessagesOfSeveralSegments) {
  Bytes message(4 * 8);  // three segments of 0, 1 and 0 words: a table of four numbers, then one word
  message.resize(3 * 8);
  const std::uint32_t table[] = {2, 0, 1, 0};
  std::memcpy(message.data(), table, sizeof table);
  EXPECT_EQ(faultOf(packetOf({message, castOf("x")})), PacketFault::none);
}

// Whatever the bytes are: what is found lies inside of the packet, one message behind the other, up to its
// end.
TEST(Packet, OfAnyBytesLeadsNowhereOutside) {
  std::mt19937 random(20'260'101);
  const auto number = [&](std::size_t below) { return static_cast<std::size_t>(random()) % below; };
  const std::vector<Bytes> seeds = {packetOf({castOf("a")}),
                                    packetOf({castOf("a"), castOf(std::string(900, 'b')), blank(0)}),
                                    packetOf({blank(kMaxMessageBytes / 8 - 1)}),
                                    packetOf(std::vector<Bytes>(kMaxPacketMessages, blank(1)))};
  Cliff cliff;
  unsigned whole = 0;
  for (unsigned round = 0; round < (tests::kSanitized ? 10'000U : 50'000U); ++round) {
    Bytes packet = seeds[number(seeds.size())];
    for (std::size_t i = number(4); i > 0; --i) {
      // Mostly where the numbers stand that say how large things are.
      const std::size_t at =
          number(3) == 0 ? number(packet.size()) : number(std::min<std::size_t>(packet.size(), 64));
      packet[at] = static_cast<std::byte>(number(2) == 0 ? number(256) : number(4));
    }
    if (number(8) == 0) packet.resize(number(kMaxPacketBytes) + 1);
    const std::byte* const at = cliff.put(packet);
    PacketView view;
    if (PacketView::parse(at, packet.size(), view) != PacketFault::none) continue;
    ++whole;
    const std::byte* next = at + sizeof(PacketHeader);
    for (unsigned i = 0; i < view.messages(); ++i) {
      const auto words = view.message(i);
      ASSERT_EQ(reinterpret_cast<const std::byte*>(words.data()), next);
      next += words.size_bytes();
      try {
        const IncomingMessage message(words);
        static_cast<void>(message.checkedBody().targetSize());
      } catch (const kj::Exception&) {
        continue;
      }
    }
    ASSERT_EQ(next, at + packet.size());
  }
  EXPECT_GT(whole, 1000U) << "the test must get past the header often enough to mean something";
}

}  // namespace
}  // namespace troupe::wire
