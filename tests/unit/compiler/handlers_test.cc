// How messages find their handlers.
#include "boxes.actor.h"
#include "calculator.actor.h"
#include "fake_runtime.h"
#include "family.actor.h"
#include "greeter.actor.h"
#include "named.actor.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace troupe::tests {
namespace {

template <class Self, class I>
FakeTurn deliver(Self& self, Sent sent, bool expected = true) {
  FakeTurn turn(std::move(sent.message));
  EXPECT_EQ((Handlers<Self, I>::dispatch(self, sent.method, turn)), expected);
  EXPECT_EQ(turn.malformed(), "");
  return turn;
}

struct Polite final : Handlers<Polite, Greeter> {
  void greet(GreetParams in, GreetResults out) { out.setGreeting(kj::str("Hello, ", in.getName())); }
  void forget(ForgetParams in) { forgotten = in.getName().cStr(); }
  std::string forgotten;
};

TEST(HandlersTest, CallReachesItsHandlerAndItsResultsComeBack) {
  Polite polite;

  const auto turn = deliver<Polite, Greeter>(polite, FakeRef<Greeter>().greet("Ada"));

  EXPECT_TRUE(turn.wasCall());
  EXPECT_STREQ(turn.results<Greeter::GreetResults>().getGreeting().cStr(), "Hello, Ada");
}

TEST(HandlersTest, CastReachesItsHandler) {
  Polite polite;

  const auto turn = deliver<Polite, Greeter>(polite, FakeRef<Greeter>().forget("Ada"));

  EXPECT_TRUE(turn.wasCast());
  EXPECT_EQ(polite.forgotten, "Ada");
}

TEST(HandlersTest, UnknownMethodIsNobodys) {
  Polite polite;
  FakeTurn turn;

  EXPECT_FALSE((Handlers<Polite, Greeter>::dispatch(polite, 2, turn)));
  EXPECT_FALSE((Handlers<Polite, Greeter>::dispatch(polite, 65535, turn)));
  EXPECT_FALSE(turn.wasCall() || turn.wasCast());
}

// Every form that a handler may have.
struct Various : Handlers<Various, Calculator> {
  Task<> compute(const ComputeParams& in, ComputeResults&& out) {
    out.setResult(in.getLeft() - in.getRight());
    co_return;
  }
  Task<> sum(SumParams in, SumResults out) {
    std::int64_t sum = 0;
    for (const auto number : in.getNumbers()) sum += number;
    out.setResult(sum);
    co_return;
  }
  void store(const StoreParams& in) { value = in.getValue(); }
  void store(std::string) {}
  void recall(RecallParams, RecallResults&& out) const { out.setValue(value); }
  Task<> clear(ClearParams) {
    value = 0;
    co_return;
  }
  static void ping(auto&&, auto&&) {}
  std::int64_t value = 0;
};

TEST(HandlersTest, HandlersMayBeCoroutinesAndTakeReferences) {
  Various various;
  const FakeRef<Calculator> calculator;

  const auto compute = deliver<Various, Calculator>(various, calculator.compute(Operation::SUBTRACT, 5, 3));
  const auto sum = deliver<Various, Calculator>(
      various, calculator.sum([](auto params) { params.setNumbers({1, 2, 3}); }));
  deliver<Various, Calculator>(various, calculator.store(9));
  const auto recall = deliver<Various, Calculator>(various, calculator.recall());
  deliver<Various, Calculator>(various, calculator.clear());
  const auto ping = deliver<Various, Calculator>(various, calculator.ping());

  EXPECT_EQ(compute.results<Calculator::ComputeResults>().getResult(), 2);
  EXPECT_EQ(sum.results<Calculator::SumResults>().getResult(), 6);
  EXPECT_EQ(recall.results<Calculator::RecallResults>().getValue(), 9);
  EXPECT_EQ(various.value, 0);
  EXPECT_TRUE(ping.wasCall());
}

struct Child : Handlers<Child, Bottom>, Handlers<Child, Left>, Handlers<Child, Right>, Handlers<Child, Root> {
  void root(RootParams, RootResults out) { out.setDepth(1); }
  void left(LeftParams in, LeftResults out) { out.setText(in.getText()); }
  void right(RightParams in) { number = in.getNumber(); }
  void bottom(BottomParams, BottomResults) {}
  int number = 0;
};

TEST(HandlersTest, ActorHandlesWhatItsInterfaceInherits) {
  Child child;
  const FakeRef<Bottom> ref;

  EXPECT_EQ((deliver<Child, Root>(child, ref.root()).results<Root::RootResults>().getDepth()), 1u);
  EXPECT_STREQ((deliver<Child, Left>(child, ref.left("same")).results<Left::LeftResults>().getText().cStr()),
               "same");
  deliver<Child, Right>(child, ref.right(4));
  EXPECT_EQ(child.number, 4);
  EXPECT_TRUE((deliver<Child, Bottom>(child, ref.bottom()).wasCall()));
}

struct Shop : Handlers<Shop, Store<Fruit>> {
  void put(PutParams in, PutResults out) {
    out.initTicket().setNumber(in.getItem().getSeeds().size());
    out.getTicket().setItem(in.getItem());
  }
  void many(ManyParams) {}
  void take(TakeParams, TakeResults) {}
  void swap(SwapParams in, SwapResults out) { out.setNumber(in.getNumber() + 1); }
  void named(NamedParams, NamedResults) {}
};

template <class T>
struct AnyShop : Handlers<AnyShop<T>, Store<T>> {
  using Base = Handlers<AnyShop<T>, Store<T>>;
  void put(typename Base::PutParams in, typename Base::PutResults out) {
    out.initTicket().setItem(in.getItem());
  }
  void many(typename Base::ManyParams) {}
  void take(typename Base::TakeParams, typename Base::TakeResults) {}
  void swap(typename Base::SwapParams, typename Base::SwapResults) {}
  void named(typename Base::NamedParams, typename Base::NamedResults) {}
};

TEST(HandlersTest, GenericInterfaceIsServedForOneTypeOrForAny) {
  Shop shop;
  AnyShop<capnp::Text> texts;

  const auto put = deliver<Shop, Store<Fruit>>(shop, FakeRef<FruitStore>().put([](auto params) {
    params.initItem().setName("apple");
    params.getItem().initSeeds(2);
  }));
  const auto swap =
      deliver<Shop, Store<Fruit>>(shop, FakeRef<FruitStore>().swap([](auto ticket) { ticket.setNumber(1); }));
  const auto text = deliver<AnyShop<capnp::Text>, Store<capnp::Text>>(
      texts, FakeRef<Store<capnp::Text>>().put([](auto params) { params.setItem("pear"); }));

  EXPECT_EQ(put.results<Store<Fruit>::PutResults>().getTicket().getNumber(), 2u);
  EXPECT_EQ(swap.results<Store<Fruit>::Ticket>().getNumber(), 2u);
  EXPECT_STREQ(text.results<Store<capnp::Text>::PutResults>().getTicket().getItem().cStr(), "pear");
}

struct PostOffice : Handlers<PostOffice, ::tests::named::Post> {
  void discard(DiscardParams in, DiscardResults) { last = in.getCategory().cStr(); }
  void send(SendParams in, SendResults out) { out.setNumber(in.getParcel().isLittle() ? 1 : 2); }
  std::string last;
};

TEST(HandlersTest, HandlersAreNamedAsCppKnowsTheMethods) {
  PostOffice office;
  const FakeRef<::tests::named::Post> ref;

  deliver<PostOffice, ::tests::named::Post>(office, ref.discard("old"));
  const auto sent = deliver<PostOffice, ::tests::named::Post>(
      office, ref.send([](auto params) { params.initParcel().setLittle("x"); }));

  EXPECT_EQ(office.last, "old");
  EXPECT_EQ(sent.results<::tests::named::Post::SendResults>().getNumber(), 1u);
}

// Declared only; a program that never dispatches may leave handlers out, and an actor is incomplete as its
// own base.
struct Unfinished : Handlers<Unfinished, Greeter> {};

TEST(HandlersTest, HandlersAreAskedForOnlyWhereMessagesAreDispatched) {
  static_assert(std::same_as<Unfinished::GreetParams, Greeter::GreetParams::Reader>);
  static_assert(std::same_as<Unfinished::GreetResults, Results<Greeter::GreetResults>>);
}

}  // namespace
}  // namespace troupe::tests
