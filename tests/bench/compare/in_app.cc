#include "tests/bench/compare/in_app.h"

namespace troupe::bench {

double inApp(const std::function<void(App&)>& declare, std::function<Task<double>(Self&)> body) {
  char name[] = "bench";
  char* arguments[] = {name, nullptr};
  App app(1, arguments);
  declare(app);
  Shared result;  // the main actor is another process
  app.main([&](Self& self) -> Task<> { *result = co_await body(self); });
  if (app.run() != 0) fail("the app has failed");
  return *result;
}

Task<> allHandled(Self& self, Ref<Sink> sink, std::uint64_t messages, std::uint64_t sum) {
  sink = sink.within(kForever);
  for (;;) {
    const auto total = co_await sink.total();
    if (total->getMessages() == messages && total->getSum() != sum) fail("another sum");
    if (total->getMessages() == messages) co_return;
    co_await self.sleepFor(std::chrono::milliseconds(1));
  }
}

Task<> echo(Ref<Sink> sink, std::uint64_t value) {
  std::byte bytes[kMessageBytes] = {};
  std::memcpy(bytes, &value, sizeof value);
  const auto answer = co_await sink.echo(asData(bytes));
  if (answer->getData().size() != kMessageBytes || firstOf(answer->getData()) != value)
    fail("another answer");
}

}  // namespace troupe::bench
