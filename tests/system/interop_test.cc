// An older and a newer version of one protocol in one app: each side sees what it knows, and what it does not know is told.
#include <capnp/message.h>

#include "shop_new.actor.h"
#include "shop_old.actor.h"
#include "tests/support/app_run.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::Protocol;
using troupe::Ref;

// Both versions are one interface on the wire: the older one's id stands for it.
constexpr std::uint64_t kShop = Protocol<older::Shop>::kId;

class OlderShop final : public troupe::Actor<OlderShop, older::Shop> {
 public:
  void buy(BuyParams in, BuyResults out) {
    out.setTotal(in.getCount() * 10);
    out.setNote(kj::str("older sold ", in.getItem()));
    sold_ += in.getCount();
  }
  void tell(TellParams in) { sold_ += in.getCount(); }
  void sold(SoldParams, SoldResults out) { out.setCount(sold_); }

 private:
  std::uint32_t sold_ = 0;
};

class NewerShop final : public troupe::Actor<NewerShop, newer::Shop> {
 public:
  // It serves the interface under the id that it has always had.
  static bool dispatchTo(NewerShop& self, std::uint64_t interfaceId, std::uint16_t method,
                         troupe::Turn& turn) {
    if (interfaceId == kShop) interfaceId = Protocol<newer::Shop>::kId;
    return Actor::dispatchTo(self, interfaceId, method, turn);
  }
  void buy(BuyParams in, BuyResults out) {
    out.setTotal(in.getCount() * 10);
    out.setNote(kj::str("newer sold ", in.getColour(), " ", in.getItem(), " to house ",
                        in.getAddress().getHouse(), " with ", in.getWishes().size(), " wishes"));
    out.setDiscount(1);
    out.initThanks(1).set(0, "come again");
    sold_ += in.getCount();
  }
  void tell(TellParams in) { sold_ += in.getCount(); }
  void sold(SoldParams, SoldResults out) {
    out.setCount(sold_);
    out.setDays(30);
  }
  void refund(RefundParams in, RefundResults out) { out.setDone(in.getReceipt().getTotal() > 0); }
  void advert(AdvertParams) {}

 private:
  std::uint32_t sold_ = 0;
};

// As the generated methods of a newer program would, with the id that the interface has on the wire.
template <class Params, class Results, class Fill>
auto call(const Ref<newer::Shop>& shop, std::uint16_t method, const char* name, Fill fill) {
  return shop.sendCall<Params, Results>(kShop, method, name, fill, troupe::NothingToCheck{});
}

void fillNewer(newer::Order::Builder order) {
  order.setItem("lamp");
  order.setCount(2);
  order.setColour("red");
  order.getAddress().setStreet("Long Street");
  order.getAddress().setHouse(99);
  auto wishes = order.initWishes(2);
  wishes.set(0, "wrapped");
  wishes.set(1, "soon");
}

}  // namespace

class Interop : public AppTest {};

TEST_F(Interop, AnOlderCallerAndANewerCallee) {
  runApp([](troupe::App&) {},
         [](Self&) -> Task<> {
           const auto started = co_await troupe::SupervisorRef("/").startChild<NewerShop>("shop", {});
           const auto shop = started.ref<older::Shop>();
           const auto receipt = co_await shop.buy("lamp", 3);
           EXPECT_EQ(receipt->getTotal(), 30u);
           EXPECT_STREQ(receipt->getNote().cStr(), "newer sold plain lamp to house 7 with 0 wishes")
               << "defaults for what it did not send";
           co_await shop.tell("lamp", 4);
           EXPECT_EQ((co_await shop.sold())->getCount(), 7u);
         });
}

TEST_F(Interop, ANewerCallerAndAnOlderCallee) {
  const Ended ended =
      runApp([](troupe::App&) {},
             [](Self&) -> Task<> {
               const auto started = co_await troupe::SupervisorRef("/").startChild<OlderShop>("shop", {});
               const auto shop = started.ref<newer::Shop>();
               const auto receipt = co_await call<newer::Order, newer::Receipt>(
                   shop, 0, "Shop.buy", [](auto order) { fillNewer(order); });
               EXPECT_EQ(receipt->getTotal(), 20u);
               EXPECT_STREQ(receipt->getNote().cStr(), "older sold lamp");
               EXPECT_EQ(receipt->getDiscount(), 5u) << "its default";
               EXPECT_FALSE(receipt->hasThanks());
               const auto sold = co_await call<newer::Shop::SoldParams, newer::Shop::SoldResults>(
                   shop, 2, "Shop.sold", [](auto) {});
               EXPECT_EQ(sold->getCount(), 2u);
               EXPECT_EQ(sold->getDays(), 3u);

               // A call that the older one does not know is a typed error; a cast is reported where it is dropped.
               auto refund = call<newer::Shop::RefundParams, newer::Shop::RefundResults>(
                   shop, 3, "Shop.refund", [](auto) {});
               const Error unknown = co_await errorOf(std::move(refund));
               EXPECT_EQ(unknown.kind(), ErrorKind::invalid);
               EXPECT_NE(unknown.message().find("/shop serves no method 3 of interface"), std::string::npos)
                   << unknown.message();
               EXPECT_NE(unknown.message().find("is the sender newer than it?"), std::string::npos);
               co_await shop.sendCast<newer::Shop::AdvertParams>(kShop, 4, "Shop.advert",
                                                                 [](auto params) { params.setText("new"); });
               const auto after = co_await call<newer::Shop::SoldParams, newer::Shop::SoldResults>(
                   shop, 2, "Shop.sold", [](auto) {});
               EXPECT_EQ(after->getCount(), 2u) << "it goes on";
             });
  EXPECT_NE(ended.err.find("shop | a cast was dropped: /shop serves no method 4"), std::string::npos)
      << ended.err;
}

TEST_F(Interop, FieldsThatAnOlderOneDoesNotKnowPassThroughItWhole) {
  // A newer order, read and sent on by a program that knows the older version only.
  capnp::MallocMessageBuilder made;
  fillNewer(made.initRoot<newer::Order>());
  const auto older = made.getRoot<capnp::AnyPointer>().getAs<older::Order>().asReader();
  capnp::MallocMessageBuilder passedOn;
  passedOn.setRoot(older);
  const auto newer = passedOn.getRoot<capnp::AnyPointer>().getAs<newer::Order>().asReader();
  EXPECT_STREQ(newer.getColour().cStr(), "red");
  EXPECT_EQ(newer.getAddress().getHouse(), 99);
  EXPECT_EQ(newer.getWishes().size(), 2u);
}

}  // namespace tests
