#include "tests/support/depot.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace tests {

namespace {

int runDepot(int argc, char** argv) {
  troupe::App app(argc, argv);
  app.name("depot");
  if (std::getenv("WITH_KEY") != nullptr) {
    app.key("a secret");
  }
  const bool together = std::getenv("ONE_FOR_ALL") != nullptr;
  app.supervise({.strategy = together ? troupe::Strategy::oneForAll : troupe::Strategy::oneForOne,
                 .maxRestarts = 100'000});
  app.child<PuppetActor>("a").child<PuppetActor>("b", {.name = "bee"});
  app.supervisor("s").child<PuppetActor>("c", {.restart = troupe::Restart::temporary});
  app.pool<PuppetActor>("hands", {.size = 2});
  app.ready([] { std::puts("open"), std::fflush(stdout); });
  return app.run();
}

}  // namespace

int runDepotOrTests(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "depot") return runDepot(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

}  // namespace tests
