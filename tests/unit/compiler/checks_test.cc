// What the check that goes before a handler finds.
#include "boxes.actor.h"
#include "fake_runtime.h"
#include "peers.actor.h"
#include "shapes.actor.h"

#include <capnp/dynamic.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace troupe::tests {
namespace {

using Words = std::vector<std::uint64_t>;  // of capnp::word, which can't be copied

constexpr capnp::ReaderOptions kLimits = {.traversalLimitInWords = 1 << 16, .nestingLimit = 64};

Words wordsOf(const Message& message) {
  const auto flat = capnp::messageToFlatArray(message.segments());
  const auto bytes = flat.asBytes();
  Words words(flat.size());
  std::memcpy(words.data(), bytes.begin(), bytes.size());
  return words;
}

// Throws kj::Exception where `read` does, with a fresh reader of the bytes and the limits that the runtime
// sets.
template <class Params>
void withReader(const Words& words, const std::function<void(typename Params::Reader)>& read) {
  capnp::FlatArrayMessageReader reader(
      kj::arrayPtr(reinterpret_cast<const capnp::word*>(words.data()), words.size()), kLimits);
  capnp::ReaderCapabilityTable table{kj::Array<kj::Maybe<kj::Own<capnp::ClientHook>>>()};
  read(table.imbue(reader.getRoot<capnp::AnyPointer>()).template getAs<Params>());
}

// Runs only the check of one method.
template <class Params>
class CheckOnly {
 public:
  explicit CheckOnly(const Words& words) : words_(words) {}
  template <class P, class R, class Check, class Handler>
  void call(Check&& check, Handler&&) {
    run<P>(check);
  }
  template <class P, class Check, class Handler>
  void cast(Check&& check, Handler&&) {
    run<P>(check);
  }

 private:
  template <class P, class Check>
  void run(Check& check) {
    if constexpr (std::same_as<P, Params>) withReader<P>(words_, [&](const auto& in) { check(in); });
  }
  const Words& words_;
};

struct AnyCanvas : Handlers<AnyCanvas, Canvas> {
  void draw(DrawParams, DrawResults) {}
  void move(MoveParams, MoveResults) {}
  void layers(LayersParams, LayersResults) {}
  void plant(PlantParams, PlantResults) {}
  void stack(StackParams) {}
  void restyle(RestyleParams) {}
  void rework(ReworkParams, ReworkResults) {}
  void keep(KeepParams, KeepResults) {}
  void chain(ChainParams, ChainResults) {}
};

struct AnyStore : Handlers<AnyStore, Store<Fruit>> {
  void put(PutParams, PutResults) {}
  void many(ManyParams) {}
  void take(TakeParams, TakeResults) {}
  void swap(SwapParams, SwapResults) {}
  void named(NamedParams, NamedResults) {}
};

struct AnyPing : Handlers<AnyPing, Ping> {
  void meet(MeetParams) {}
  void link(LinkParams, LinkResults) {}
  void door(DoorParams) {}
  void all(AllParams, AllResults) {}
};

// What the check throws, or nothing.
template <class Self, class I, class Params>
std::optional<std::string> malformed(std::uint16_t method, const Words& words) {
  try {
    Self self;
    CheckOnly<Params> turn(words);
    EXPECT_TRUE((Handlers<Self, I>::dispatch(self, method, turn)));
    return std::nullopt;
  } catch (const kj::Exception& error) {
    return error.getDescription().cStr();
  }
}

// Reads the whole message by its schema: another way through the same bytes.
template <class Params>
bool readsBySchema(const Words& words) {
  try {
    withReader<Params>(
        words, [](const auto& in) { checkBySchema<capnp::DynamicStruct>(capnp::DynamicStruct::Reader(in)); });
    return true;
  } catch (const kj::Exception&) {
    return false;
  }
}

// Prints the message, which reads all of it again.
template <class Params>
bool prints(const Words& words) {
  try {
    withReader<Params>(words, [](const auto& in) { kj::str(in); });
    return true;
  } catch (const kj::Exception&) {
    return false;
  }
}

// Each message that a few flipped bits make of a good one is either found by the check, or can be read to its
// end.
template <class Self, class I, class Params>
void damage(std::uint16_t method, const Message& message) {
  const Words good = wordsOf(message);
  ASSERT_EQ((malformed<Self, I, Params>(method, good)), std::nullopt);
  std::mt19937 random(method + 1);
  unsigned found = 0;
  for (int round = 0; round < 4000; ++round) {
    Words words = good;
    const auto bytes = reinterpret_cast<unsigned char*>(words.data());
    const auto flips = 1 + random() % 3;
    for (unsigned i = 0; i < flips; ++i) {
      const auto at =
          8 + random() % (words.size() * sizeof(std::uint64_t) - 8);  // behind the table of segments
      bytes[at] ^= static_cast<unsigned char>(random() % 4 == 0 ? random() : 1u << random() % 8);
    }
    const auto why = malformed<Self, I, Params>(method, words);
    found += why.has_value() ? 1 : 0;
    ASSERT_EQ(!why.has_value(), readsBySchema<Params>(words))
        << "round " << round << ": " << why.value_or("passed");
    if (!why) {
      ASSERT_TRUE(prints<Params>(words)) << "round " << round;
    }
  }
  EXPECT_GT(found, 0u) << "nothing was damaged";
  EXPECT_LT(found, 4000u) << "everything was";
}

void fillShape(Shape::Builder shape, unsigned kind) {
  shape.setLabel("a shape");
  shape.initStyle().setName("bold");
  shape.getStyle().initDashes(5);
  shape.getOrigin().setAuthor("Ada");
  auto scan = shape.getOrigin().getKind().initScan(2);
  scan.init(0, 2).set(1, "text");
  scan.init(1, 1);
  switch (kind) {
    case 0: return shape.initDot().setX(1);
    case 1: return shape.initLine().setCaption("line");
    case 2: return static_cast<void>(shape.initPolygon(3));
    case 3: return static_cast<void>(shape.initPicture(9));
    case 4: return fillShape(shape.initParts(2)[1], 1);
    default: return shape.initForeign().initAs<Tree>().setValue("foreign");
  }
}

TEST(ChecksTest, DamagedMessageIsFoundOrCanBeReadToItsEnd) {
  for (unsigned kind = 0; kind < 6; ++kind) {
    SCOPED_TRACE(kind);
    const auto draw = FakeRef<Canvas>().draw([&](auto params) { fillShape(params.initShape(), kind); });
    damage<AnyCanvas, Canvas, Canvas::DrawParams>(0, draw.message);
  }
}

TEST(ChecksTest, DamagedListIsFoundOrCanBeReadToItsEnd) {
  const auto layers = FakeRef<Canvas>().layers([](auto params) {
    auto shapes = params.initShapes(3);
    for (unsigned i = 0; i < 3; ++i) fillShape(shapes[i], i);
    params.initNames(3).set(2, "name");
  });
  const auto stack = FakeRef<Canvas>().stack([](auto params) {
    params.initBlobs(1).init(0, 2).init(1, 2).init(0, 7);
    params.initPoints(2).init(1, 2)[0].setY(1);
  });

  damage<AnyCanvas, Canvas, Canvas::LayersParams>(2, layers.message);
  damage<AnyCanvas, Canvas, Canvas::StackParams>(4, stack.message);
}

TEST(ChecksTest, DamagedTreeOrChainIsFoundOrCanBeReadToItsEnd) {
  const auto plant = FakeRef<Canvas>().plant([](auto params) {
    auto tree = params.initTree();
    tree.initLeft().initRight().setValue("leaf");
    tree.initRight().setValue("leaf");
  });
  const auto chain = FakeRef<Canvas>().chain([](auto params) {
    auto second = params.initFirst().initSecond();
    second.setName("name");
    second.initFirst(2)[1].initSecond().setName("end");
  });

  damage<AnyCanvas, Canvas, Canvas::PlantParams>(3, plant.message);
  damage<AnyCanvas, Canvas, Canvas::ChainParams>(8, chain.message);
}

TEST(ChecksTest, DamagedPointerToAnythingIsFoundOrCanBeReadToItsEnd) {
  const auto keep = FakeRef<Canvas>().keep([](auto params) {
    auto loose = params.initLoose();
    loose.getAny().template initAs<Tree>().setValue("any");
    loose.template initStructAs<Tree>().initLeft().setValue("struct");
    auto texts = loose.template initListAs<capnp::List<capnp::Text>>(2);
    texts.set(0, "list");
  });

  damage<AnyCanvas, Canvas, Canvas::KeepParams>(7, keep.message);
}

TEST(ChecksTest, DamagedGenericMessageIsFoundOrCanBeReadToItsEnd) {
  const auto put = FakeRef<Store<Fruit>>().put([](auto params) {
    params.initItem().setName("apple");
    params.getItem().initSeeds(2).set(1, "seed");
  });
  const auto many = FakeRef<Store<Fruit>>().many([](auto params) {
    params.initBoxes(2)[1].initValue().setName("pear");
    params.initDeep(1).init(0, 1)[0].initValue().setName("plum");
  });

  damage<AnyStore, Store<Fruit>, Store<Fruit>::PutParams>(0, put.message);
  damage<AnyStore, Store<Fruit>, Store<Fruit>::ManyParams>(1, many.message);
}

// The message of one pointer field, which is made to point to something else.
Words withRootPointer(std::uint64_t pointer, std::uint64_t data = 0x2121212121212121) {
  // One segment of three words: the root struct with one pointer, that pointer, and one word of data.
  return {std::uint64_t{3} << 32, std::uint64_t{1} << 48, pointer, data};
}

constexpr std::uint64_t kEightBytes = 1 | (std::uint64_t{2} << 32) | (std::uint64_t{8} << 35);
constexpr std::uint64_t kOneWordStruct = std::uint64_t{1} << 32;
constexpr std::uint64_t kFarAway = 1 | (std::uint64_t{2} << 32) | (std::uint64_t{4000} << 35);
constexpr std::uint64_t kCapability = 3;

TEST(ChecksTest, PointerOfTheWrongKindIsMalformed) {
  using Plant = Canvas::PlantParams;
  const auto found = [](std::uint64_t pointer) {
    return malformed<AnyCanvas, Canvas, Plant>(3, withRootPointer(pointer)).has_value();
  };

  EXPECT_FALSE(found(0)) << "null is the default";
  EXPECT_FALSE(found(kOneWordStruct));
  EXPECT_TRUE(found(kEightBytes));
  EXPECT_TRUE(found(kFarAway));
  EXPECT_TRUE(found(kCapability));
}

TEST(ChecksTest, TextWithoutItsNulIsMalformed) {
  EXPECT_TRUE((malformed<AnyCanvas, Canvas, Style>(5, withRootPointer(kEightBytes))));
}

TEST(ChecksTest, AddressThatTheMessageDoesNotHoldIsMalformed) {
  EXPECT_TRUE((malformed<AnyPing, Ping, Ping::MeetParams>(0, withRootPointer(kCapability))));
  EXPECT_TRUE((malformed<AnyPing, Ping, Ping::MeetParams>(0, withRootPointer(kEightBytes))));
  EXPECT_FALSE((malformed<AnyPing, Ping, Ping::MeetParams>(0, withRootPointer(0))));
}

TEST(ChecksTest, OnlyTheMemberOfAUnionThatIsSetIsRead) {
  const auto sent = FakeRef<Canvas>().rework([](Shape::Builder shape) {
    shape.setPicture(capnp::Data::Reader(reinterpret_cast<const kj::byte*>("bytes"),
                                         5));  // no list of structs, nor a text
  });

  EXPECT_EQ((malformed<AnyCanvas, Canvas, Shape>(6, wordsOf(sent.message))), std::nullopt);
}

TEST(ChecksTest, TooDeepMessageIsMalformed) {
  const auto planted = [](unsigned depth) {
    return wordsOf(FakeRef<Canvas>()
                       .plant([&](auto params) {
                         auto tree = params.initTree();
                         for (unsigned i = 0; i < depth; ++i) tree = tree.initLeft();
                       })
                       .message);
  };

  EXPECT_EQ((malformed<AnyCanvas, Canvas, Canvas::PlantParams>(3, planted(50))), std::nullopt);
  EXPECT_TRUE((malformed<AnyCanvas, Canvas, Canvas::PlantParams>(3, planted(100))));
}

TEST(ChecksTest, MessageThatPretendsToBeHugeCostsLittle) {
  // A list of 2^29 - 1 structs without a byte to them.
  const std::uint64_t list = 1 | (std::uint64_t{7} << 32);
  const std::uint64_t tag = std::uint64_t{(1u << 29) - 1} << 2;

  const auto why = malformed<AnyCanvas, Canvas, Canvas::LayersParams>(2, withRootPointer(list, tag));

  EXPECT_TRUE(why) << "the traversal limit holds";
}

}  // namespace
}  // namespace troupe::tests
