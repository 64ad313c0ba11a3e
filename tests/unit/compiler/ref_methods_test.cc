// What the methods of a Ref send.
#include "boxes.actor.h"
#include "calculator.actor.h"
#include "fake_runtime.h"
#include "family.actor.h"
#include "greeter.actor.h"
#include "named.actor.h"
#include "peers.actor.h"
#include "shapes.actor.h"
#include "values.actor.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::tests {
namespace {

template <class Params>
auto paramsOf(const Sent& sent) {
  return sent.message.read<Params>();
}

std::string text(capnp::Text::Reader value) { return {value.begin(), value.size()}; }

TEST(RefMethodsTest, CallSaysWhichMethodOfWhichInterfaceItIsFor) {
  const auto sent = FakeRef<Greeter>().greet("Ada");

  EXPECT_EQ(sent.interfaceId, Protocol<Greeter>::kId);
  EXPECT_EQ(sent.method, 0);
  EXPECT_EQ(sent.name, "Greeter.greet");
  EXPECT_FALSE(sent.cast);
  EXPECT_EQ(text(paramsOf<Greeter::GreetParams>(sent).getName()), "Ada");
}

TEST(RefMethodsTest, StreamMethodIsCast) {
  const auto sent = FakeRef<Greeter>().forget("Ada");

  EXPECT_TRUE(sent.cast);
  EXPECT_EQ(sent.method, 1);
  EXPECT_EQ(sent.name, "Greeter.forget");
  EXPECT_EQ(text(paramsOf<Greeter::ForgetParams>(sent).getName()), "Ada");
}

TEST(RefMethodsTest, ParametersCanBeFilledInByAFunction) {
  const auto typed =
      FakeRef<Greeter>().greet([](Greeter::GreetParams::Builder params) { params.setName("Ada"); });
  const auto untyped = FakeRef<Greeter>().greet([&](auto params) { params.setName("Grace"); });

  EXPECT_EQ(text(paramsOf<Greeter::GreetParams>(typed).getName()), "Ada");
  EXPECT_EQ(text(paramsOf<Greeter::GreetParams>(untyped).getName()), "Grace");
}

TEST(RefMethodsTest, TextComesFromEveryKindOfString) {
  const FakeRef<Greeter> greeter;
  const auto sentName = [&](const auto& name) {
    return text(paramsOf<Greeter::GreetParams>(greeter.greet(name)).getName());
  };
  const std::string_view part = std::string_view("Ada Lovelace").substr(0, 3);
  capnp::MallocMessageBuilder message;
  const auto params = message.initRoot<Greeter::GreetParams>();
  auto writable = params;
  writable.setName("Ada");

  EXPECT_EQ(sentName(std::string("Ada")), "Ada");
  EXPECT_EQ(sentName(part), "Ada") << "no NUL after it";
  EXPECT_EQ(sentName(kj::StringPtr("Ada")), "Ada");
  EXPECT_EQ(sentName(kj::str("Ada")), "Ada");
  EXPECT_EQ(sentName(params.asReader().getName()), "Ada");
  EXPECT_EQ(sentName(std::string_view("A\0a", 3)), std::string("A\0a", 3));
  EXPECT_EQ(sentName(""), "");
}

TEST(RefMethodsTest, DataComesFromEveryKindOfBytes) {
  const FakeRef<Values> values;
  const auto sentData = [&](const auto& bytes) {
    const auto sent = values.mixed(true, Color::BLUE, "", bytes);
    const auto data = paramsOf<Values::MixedParams>(sent).getData();
    return std::string(data.asChars().begin(), data.size());
  };
  const std::array<std::byte, 2> array = {std::byte{'o'}, std::byte{'k'}};
  const std::vector<unsigned char> vector = {'o', 'k'};

  EXPECT_EQ(sentData(array), "ok");
  EXPECT_EQ(sentData(std::span<const std::byte>(array)), "ok");
  EXPECT_EQ(sentData(vector), "ok");
  EXPECT_EQ(sentData(std::string("ok")), "ok");
  EXPECT_EQ(sentData(kj::arrayPtr(vector.data(), vector.size())), "ok");
  EXPECT_EQ(sentData(capnp::Data::Reader(vector.data(), vector.size())), "ok");
  EXPECT_EQ(sentData(std::vector<std::byte>()), "");
  static_assert(!std::constructible_from<DataArg, const char(&)[3]>, "a literal would bring its NUL");
  static_assert(!std::constructible_from<DataArg, std::vector<int>>);
}

TEST(RefMethodsTest, TextThatNoMessageCanHoldIsInvalid) {
  static const char begin = 'x';
  try {
    TextArg(std::string_view(&begin, std::size_t{1} << 30)).size();
    FAIL() << "took a text of 1 GiB";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
    EXPECT_NE(error.message().find("1073741824 bytes"), std::string::npos) << error.message();
  }
}

TEST(RefMethodsTest, PlainValuesArriveInTheOrderOfTheSchema) {
  const auto sent = FakeRef<Calculator>().compute(Operation::DIVIDE, 7, -2);
  const auto numbers = FakeRef<Values>().numbers(-1, -2, -3, -4, 5, 6, 7, ~std::uint64_t{0});
  const auto floats = FakeRef<Values>().floats(0.5f, 0.25);
  const auto mixed = FakeRef<Values>().mixed(true, Color::GREEN, "text", std::string("data"));

  const auto params = paramsOf<Calculator::ComputeParams>(sent);
  EXPECT_EQ(params.getOperation(), Operation::DIVIDE);
  EXPECT_EQ(params.getLeft(), 7);
  EXPECT_EQ(params.getRight(), -2);
  EXPECT_EQ(paramsOf<Values::NumbersParams>(numbers).getA(), -1);
  EXPECT_EQ(paramsOf<Values::NumbersParams>(numbers).getH(), ~std::uint64_t{0});
  EXPECT_EQ(paramsOf<Values::FloatsParams>(floats).getSingle(), 0.5f);
  EXPECT_EQ(paramsOf<Values::FloatsParams>(floats).getDouble(), 0.25);
  EXPECT_TRUE(paramsOf<Values::MixedParams>(mixed).getOn());
  EXPECT_EQ(paramsOf<Values::MixedParams>(mixed).getColor(), Color::GREEN);
}

// FakeRef compares what is written with what a builder makes.
TEST(RefMethodsTest, NumbersTextAndDataAreWrittenInPlace) {
  const FakeRef<Values> values;
  EXPECT_TRUE(values.numbers(-1, -2, -3, -4, 5, 6, 7, 8).inPlace);
  EXPECT_TRUE(values.floats(-0.5f, 1e300).inPlace);
  for (const std::string some : {"", "1", "1234567", "12345678", "123456789"})
    EXPECT_TRUE(values.mixed(some.empty(), Color::BLUE, some, some).inPlace);
  EXPECT_TRUE(values.words("a", -3, false, true).inPlace);
  EXPECT_TRUE(values.differ(2, 1).inPlace);
  EXPECT_TRUE(FakeRef<Calculator>().recall().inPlace) << "nothing at all";
}

TEST(RefMethodsTest, WithDefaultsReferencesOrStructsABuilderIsNeeded) {
  const auto sent = FakeRef<Values>().preset(7, "Ada");
  EXPECT_FALSE(sent.inPlace);
  EXPECT_EQ(paramsOf<Values::PresetParams>(sent).getCount(), 7U);
  EXPECT_EQ(text(paramsOf<Values::PresetParams>(sent).getName()), "Ada");
  capnp::MallocMessageBuilder message;
  EXPECT_FALSE(FakeRef<Canvas>().draw(message.initRoot<Shape>().asReader()).inPlace);
  EXPECT_FALSE(FakeRef<Greeter>().greet([](auto params) { params.setName("Ada"); }).inPlace);
}

TEST(RefMethodsTest, MethodWithoutParametersTakesNone) {
  EXPECT_EQ(FakeRef<Calculator>().recall().method, 3);
  EXPECT_TRUE(FakeRef<Calculator>().clear().cast);
}

TEST(RefMethodsTest, ParametersMayBeNamedLikeWordsOfTheLanguage) {
  const auto sent = FakeRef<Values>().words("fresh", 3, true, false);

  const auto params = paramsOf<Values::WordsParams>(sent);
  EXPECT_EQ(text(params.getNew()), "fresh");
  EXPECT_EQ(params.getClass(), 3);
  EXPECT_TRUE(params.getParams());
  EXPECT_FALSE(params.getFill());
}

TEST(RefMethodsTest, NamedParameterStructIsGivenFieldByFieldAsItIsWritten) {
  const auto sent = FakeRef<Values>().differ(2, 1);

  EXPECT_EQ(paramsOf<Two>(sent).getSecond(), 2);
  EXPECT_EQ(paramsOf<Two>(sent).getFirst(), 1);
}

TEST(RefMethodsTest, OneStructIsCopiedFromItsReader) {
  capnp::MallocMessageBuilder message;
  auto shape = message.initRoot<Shape>();
  shape.setLabel("square");
  shape.initPolygon(4)[3].setX(5);

  const auto sent = FakeRef<Canvas>().draw(shape.asReader());

  const auto copy = paramsOf<Canvas::DrawParams>(sent).getShape();
  EXPECT_EQ(text(copy.getLabel()), "square");
  EXPECT_EQ(copy.getPolygon()[3].getX(), 5);
}

template <class R>
concept SumTakesAVector = requires(const R& ref, std::vector<std::int64_t> numbers) { ref.sum(numbers); };

TEST(RefMethodsTest, ListsAndUnionsAreForABuilder) {
  static_assert(!SumTakesAVector<FakeRef<Calculator>>);
  const auto sum = FakeRef<Calculator>().sum([](auto params) { params.setNumbers({1, 2, 3}); });
  const auto rework =
      FakeRef<Canvas>().rework([](Shape::Builder shape) { shape.initLine().setCaption("edge"); });

  EXPECT_EQ(paramsOf<Calculator::SumParams>(sum).getNumbers().size(), 3u);
  EXPECT_EQ(text(paramsOf<Shape>(rework).getLine().getCaption()), "edge");
}

TEST(RefMethodsTest, InheritedMethodsAreSentToTheInterfaceThatDeclaresThem) {
  static_assert(std::same_as<Protocol<Bottom>::All, TypeList<Bottom, Left, Root, Right>>,
                "each once, in a diamond too");
  static_assert(std::same_as<Protocol<Empty>::All, TypeList<Empty, Bottom, Left, Root, Right>>);
  const FakeRef<Empty> ref;

  EXPECT_EQ(ref.root().interfaceId, Protocol<Root>::kId);
  EXPECT_EQ(ref.root().name, "Root.root");
  EXPECT_EQ(ref.left("x").interfaceId, Protocol<Left>::kId);
  EXPECT_TRUE(ref.right(1).cast);
  EXPECT_EQ(ref.bottom().interfaceId, Protocol<Bottom>::kId);
  EXPECT_EQ(FakeRef<Polyglot>().greet("Ada").interfaceId, Protocol<Greeter>::kId)
      << "from an imported schema";
}

TEST(RefMethodsTest, NestedInterfacesGoByTheirFullNames) {
  EXPECT_EQ(FakeRef<House::Door>().open("key").name, "House::Door.open");
  EXPECT_EQ(FakeRef<House::Door::Bell>().ring(2).name, "House::Door::Bell.ring");
  EXPECT_STREQ(Protocol<House::Door::Bell>::kName, "House::Door::Bell");
}

TEST(RefMethodsTest, GenericInterfacesBindTheirParameters) {
  const auto put = FakeRef<Store<Fruit>>().put([](auto params) { params.initItem().setName("apple"); });
  const auto text_ = FakeRef<Store<capnp::Text>>().put([](auto params) { params.setItem("pear"); });
  const auto inherited = FakeRef<FruitStore>().swap([](auto ticket) { ticket.initItem().setName("plum"); });
  const auto named = FakeRef<FruitStore>().named([](auto params) { params.initPair().setA("label"); });

  EXPECT_EQ(text(paramsOf<Store<Fruit>::PutParams>(put).getItem().getName()), "apple");
  EXPECT_EQ(text(paramsOf<Store<capnp::Text>::PutParams>(text_).getItem()), "pear");
  EXPECT_EQ(inherited.interfaceId, Protocol<Store<Fruit>>::kId);
  EXPECT_EQ(text(paramsOf<Store<Fruit>::Ticket>(inherited).getItem().getName()), "plum");
  EXPECT_EQ(text(paramsOf<Store<Fruit>::NamedParams>(named).getPair().getA()), "label");
  EXPECT_EQ(FakeRef<FruitStore>().ripen(3, "all").name, "FruitStore.ripen");
  static_assert(std::same_as<Protocol<FruitStore>::All, TypeList<FruitStore, Store<Fruit>>>);
  static_assert(std::same_as<Protocol<Shelf<capnp::Text, Fruit>>::All,
                             TypeList<Shelf<capnp::Text, Fruit>, Store<Box<capnp::Text>>>>);
}

TEST(RefMethodsTest, NamesFollowTheAnnotationsForCpp) {
  using ::tests::named::Post;
  const auto sent = FakeRef<Post>().discard("old");

  EXPECT_EQ(sent.name, "tests::named::Post.discard");
  EXPECT_EQ(text(paramsOf<Post::DiscardParams>(sent).getCategory()), "old");
  EXPECT_STREQ(Protocol<Post::Box>::kName, "tests::named::Post::Box");
}

TEST(RefMethodsTest, AddressesOfActorsAreSentAsRefs) {
  const Ref<Ping> ping(RefBase(7, "/ping"));
  const Ref<Pong> pong(RefBase(8, "/pong"));

  const auto meet = FakeRef<Ping>().meet(pong);
  const auto link = FakeRef<Ping>().link("self", ping);

  EXPECT_EQ(Ref<Pong>(paramsOf<Ping::MeetParams>(meet).getPong()), pong);
  EXPECT_EQ(Ref<Ping>(paramsOf<Ping::LinkParams>(link).getSelf()), ping);
}

TEST(ProtocolTest, KnowsTheNamesOfItsOwnMethods) {
  EXPECT_STREQ(Protocol<Greeter>::methodName(0), "greet");
  EXPECT_STREQ(Protocol<Greeter>::methodName(1), "forget");
  EXPECT_EQ(Protocol<Greeter>::methodName(2), nullptr);
  EXPECT_EQ(Protocol<Empty>::methodName(0), nullptr);
  EXPECT_STREQ(Protocol<Store<Fruit>>::kName, "Store");
}

}  // namespace
}  // namespace troupe::tests
