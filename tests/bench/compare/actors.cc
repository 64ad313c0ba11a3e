// What actors do.
#include <cstring>

#include "bench.actor.h"
#include "tests/bench/compare/figure.h"
#include "tests/bench/compare/in_app.h"

namespace troupe::bench {

namespace {

int trips() { return static_cast<int>(effort(20'000)); }
// A multiple of 64, and of 4 times that.
std::uint64_t messages() { return effort(12'000) * 256; }

Task<> castAll(Ref<Sink> sink, std::uint64_t messages) {
  std::byte bytes[kMessageBytes] = {};
  for (std::uint64_t i = 0; i < messages; ++i) {
    const std::uint64_t value = valueOf(i);
    std::memcpy(bytes, &value, sizeof value);
    co_await sink.take(asData(bytes));
  }
}

class Sender final : public Actor<Sender, Source> {
 public:
  Task<> init() { sink_ = co_await find<Sink>("/sink"); }
  // Not in the turn, whose casts would be held back until its end.
  void send(SendParams in) { spawn(castAll(sink_, in.getMessages())); }

 private:
  Ref<Sink> sink_;
};

double roundTrip() {
  return inApp([](App& app) { app.child<Adder>("sink"); },
               [](Self& self) -> Task<double> {
                 auto sink = co_await self.find<Sink>("sink");
                 double before = 0;
                 for (int i = -trips() / 10; i < trips(); ++i) {
                   if (i == 0) before = now();
                   std::byte bytes[kMessageBytes] = {};
                   const std::uint64_t value = valueOf(static_cast<std::uint64_t>(i));
                   std::memcpy(bytes, &value, sizeof value);
                   const auto answer = co_await sink.echo(asData(bytes));
                   if (firstOf(answer->getData()) != value) fail("another answer");
                 }
                 co_return (now() - before) / trips() / 1000;
               });
}

double oneWay() {
  return inApp([](App& app) { app.child<Adder>("sink"); },
               [](Self& self) -> Task<double> {
                 auto sink = co_await self.find<Sink>("sink");
                 const double before = now();
                 co_await castAll(sink, messages());
                 co_await allHandled(self, sink, messages(), sumOf(messages()));
                 co_return static_cast<double>(messages()) / (now() - before) * 1000;
               });
}

double fourToOne() {
  return inApp(
      [](App& app) {
        app.child<Adder>("sink");
        for (int i = 0; i < 4; ++i) app.child<Sender>("source" + std::to_string(i));
      },
      [](Self& self) -> Task<double> {
        const std::uint64_t each = messages() / 4;
        auto sink = co_await self.find<Sink>("sink");
        std::vector<Ref<Source>> sources;
        for (int i = 0; i < 4; ++i)
          sources.push_back(co_await self.find<Source>("source" + std::to_string(i)));
        const double before = now();
        for (auto& source : sources) co_await source.send(each);
        co_await allHandled(self, sink, 4 * each, 4 * sumOf(each));
        co_return static_cast<double>(messages()) / (now() - before) * 1000;
      });
}

}  // namespace

void addActors(Figures& figures) {
  figures.push_back({"round trip, 64 bytes", "Troupe, call", "us", roundTrip});
  figures.push_back({"one way, 64 bytes, 1 to 1", "Troupe, cast", "M/s", oneWay});
  figures.push_back({"one way, 64 bytes, 4 to 1", "Troupe, cast", "M/s", fourToOne});
}

}  // namespace troupe::bench
