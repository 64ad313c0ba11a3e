// Four workers fetch pages from a service that stands two requests at a time: whoever fetches needs one of two permits. A worker that dies
// while it has one loses neither the permit, which comes back, nor the page, which the queue hands out again.
#include <troupe/troupe.h>

#include <algorithm>
#include <iostream>

#include "service.actor.h"

using namespace std::chrono_literals;

// Serves whatever comes at once, and remembers how much that was.
class Server final : public troupe::Actor<Server, Service> {
 public:
  static constexpr bool kReentrant = true;

  troupe::Task<> fetch(FetchParams, FetchResults) {
    most_ = std::max(most_, ++now_);
    co_await sleepFor(20ms);
    --now_;
  }
  void mostAtOnce(MostAtOnceParams, MostAtOnceResults out) { out.setRequests(most_); }

 private:
  unsigned now_ = 0;
  unsigned most_ = 0;
};

class Worker final : public troupe::Actor<Worker> {
 public:
  troupe::Task<> run() {
    auto pages = co_await find<troupe::Queue<capnp::Text>>("pages");
    auto permits = co_await find<troupe::Semaphore>("permits");
    auto service = co_await find<Service>("service");
    while (auto page = co_await pages.get()) {
      auto permit = co_await permits.acquire();
      co_await service.fetch(*page);
      if (*page == "page 5" && !page.again()) std::abort();  // with the permit in hand
      co_await permit.release();
      std::cout << "fetched " << page->cStr() << std::endl;
      co_await page.done();
    }
  }
};

int main(int argc, char** argv) {
  troupe::App app(argc, argv);
  app.queue<capnp::Text>("pages");
  app.add<troupe::Semaphore>("permits", {.permits = 2});
  app.child<Server>("service");
  for (const char* id : {"ann", "bob", "cid", "dan"}) app.child<Worker>(id);
  app.main([](troupe::Self& self) -> troupe::Task<> {
    auto pages = co_await self.find<troupe::Queue<capnp::Text>>("pages");
    for (int i = 1; i <= 12; ++i) co_await pages.put("page " + std::to_string(i));
    co_await pages.join();
    auto service = co_await self.find<Service>("service");
    const auto most = co_await service.mostAtOnce();
    std::cout << "all is fetched, at most " << most->getRequests() << " pages at once" << std::endl;
  });
  return app.run();
}
