// Values of structs in structs: what is taken can be read again, however deep it is, or it is refused.
#include "kept.capnp.h"
#include "tests/support/app_run.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using kept::Nest;
using troupe::Error;
using troupe::ErrorKind;

constexpr int kMost = 56;

auto nested(int depth) {
  return [depth](Nest::Builder nest) {
    for (int i = 1; i < depth; ++i) nest = nest.initInner();
  };
}

int depthOf(Nest::Reader nest) {
  int depth = 1;
  for (; nest.hasInner(); nest = nest.getInner()) ++depth;
  return depth;
}

void expectTooDeep(const Error& error) {
  EXPECT_EQ(error.kind(), ErrorKind::refused);
  EXPECT_NE(std::string(error.what()).find("more than 56 deep"), std::string::npos) << error.what();
}

}  // namespace

class NestingTest : public AppTest {};

TEST_F(NestingTest, OfAQueue) {
  runApp([](troupe::App& app) { app.queue<Nest>("holder"); },
         [](Self& self) -> Task<> {
           auto queue = co_await self.find<troupe::Queue<Nest>>("holder");
           co_await queue.put(nested(kMost));
           const auto item = co_await queue.take();
           EXPECT_EQ(depthOf(*item), kMost);
           expectTooDeep(co_await errorOf(queue.put(nested(kMost + 1))));
         });
}

TEST_F(NestingTest, OfATopic) {
  runApp([](troupe::App& app) { app.add<troupe::Topic<Nest>>("holder"); },
         [](Self& self) -> Task<> {
           auto topic = co_await self.find<troupe::Topic<Nest>>("holder");
           auto subscription = co_await topic.subscribe();
           co_await topic.publish(nested(kMost));
           const auto message = co_await subscription.next();
           EXPECT_EQ(depthOf(*message), kMost);
           expectTooDeep(co_await errorOf(topic.publish(nested(kMost + 1))));
         });
}

TEST_F(NestingTest, OfAList) {
  runApp([](troupe::App& app) { app.add<troupe::List<Nest>>("holder"); },
         [](Self& self) -> Task<> {
           auto list = co_await self.find<troupe::List<Nest>>("holder");
           co_await list.append(nested(kMost));
           const auto got = co_await list.get(0);
           EXPECT_EQ(depthOf(*got), kMost);
           expectTooDeep(co_await errorOf(list.append(nested(kMost + 1))));
           expectTooDeep(co_await errorOf(list.set(0, nested(kMost + 1))));
           const auto page = co_await list.page();
           EXPECT_EQ(depthOf(*page[0]), kMost);
         });
}

TEST_F(NestingTest, OfADictionary) {
  runApp([](troupe::App& app) { app.add<troupe::Dictionary<capnp::Text, Nest>>("holder"); },
         [](Self& self) -> Task<> {
           auto dictionary = co_await self.find<troupe::Dictionary<capnp::Text, Nest>>("holder");
           co_await dictionary.put("a", nested(kMost));
           const auto got = co_await dictionary.get("a");
           EXPECT_EQ(depthOf(*got), kMost);
           expectTooDeep(co_await errorOf(dictionary.put("b", nested(kMost + 1))));
           const auto page = co_await dictionary.page();
           EXPECT_EQ(depthOf(*page[0]), kMost);
         });
}

}  // namespace tests
