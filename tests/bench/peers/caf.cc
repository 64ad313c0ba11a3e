// CAF's io: actors of processes that are connected by TCP on this machine.
#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include "tests/bench/peers/peer.h"

namespace {

using namespace peer;

using Echo = caf::atom_constant<caf::atom("echo")>;
using Take = caf::atom_constant<caf::atom("take")>;
using Total = caf::atom_constant<caf::atom("total")>;
using Bytes = std::vector<char>;

constexpr auto kPatience = std::chrono::seconds(60);

struct Settings : caf::actor_system_config {
  Settings() { load<caf::io::middleman>(); }
};

Bytes bytesOf(std::uint64_t i) {
  const Message message{.value = valueOf(i)};
  Bytes bytes(sizeof message);
  std::memcpy(bytes.data(), &message, sizeof message);
  return bytes;
}

struct Sum {
  std::uint64_t messages = 0;
  std::uint64_t sum = 0;
};

caf::behavior sink(caf::stateful_actor<Sum>* self) {
  return {
      [](Echo, const Bytes& data) { return data; },
      [self](Take, const Bytes& data) {
        auto& [messages, sum] = self->state;
        sum += data.size() == kLargeBytes ? sumOfLarge(data.data(), data.size())
                                          : valueIn(data.data(), data.size());
        ++messages;
      },
      [self](Total) { return caf::make_message(self->state.messages, self->state.sum); },
  };
}

// For ever: killed when all else is over. Says its port.
void serve(const Signal& ready) {
  Settings settings;
  caf::actor_system system(settings);
  const auto port = system.middleman().publish(system.spawn(sink), 0, "127.0.0.1");
  if (!port) fail("no port");
  ready.set(*port);
  system.await_all_actors_done();
}

class Client {
 public:
  explicit Client(std::uint64_t port) : system_(settings_), self_(system_) {
    auto found = system_.middleman().remote_actor("127.0.0.1", static_cast<std::uint16_t>(port));
    if (!found) fail("no connection");
    sink_ = *found;
  }
  std::uint64_t echo(const Message& message) {
    std::uint64_t value = 0;
    Bytes bytes(sizeof message);
    std::memcpy(bytes.data(), &message, sizeof message);
    self_->request(sink_, kPatience, Echo::value, std::move(bytes))
        .receive([&](const Bytes& answer) { value = valueIn(answer.data(), answer.size()); },
                 [](const caf::error&) { fail("no answer"); });
    return value;
  }
  void take(Bytes bytes) { self_->send(sink_, Take::value, std::move(bytes)); }
  // What it has received, of this client all that was sent before.
  std::pair<std::uint64_t, std::uint64_t> total() {
    std::pair<std::uint64_t, std::uint64_t> total;
    self_->request(sink_, kPatience, Total::value)
        .receive([&](std::uint64_t messages, std::uint64_t sum) { total = {messages, sum}; },
                 [](const caf::error&) { fail("no answer"); });
    return total;
  }

 private:
  Settings settings_;
  caf::actor_system system_;
  caf::scoped_actor self_;
  caf::actor sink_;
};

double roundTrip(std::uint64_t count) {
  Processes processes;
  Signal ready;
  processes.start([&] { serve(ready); });
  Client client(ready.wait());
  return timeTrips(count, [&](const Message& message) { return client.echo(message); });
}

// Nanoseconds until all that the senders have sent has been received. They wait now and then: nothing else
// slows them.
double timeSending(std::uint64_t senders, std::uint64_t each, std::uint64_t window, std::uint64_t expected,
                   const std::function<Bytes(std::uint64_t)>& make) {
  Processes server, others;
  Signal ready, connected, begin, sent;
  server.start([&] { serve(ready); });
  const std::uint64_t port = ready.wait();
  for (std::uint64_t i = 0; i < senders; ++i) {
    others.start([&] {
      Client client(port);
      client.total();
      connected.set();
      begin.wait();
      for (std::uint64_t number = 0; number < each; ++number) {
        client.take(make(number));
        if (number % window == window - 1) client.total();
      }
      client.total();
      sent.set();
      ::_exit(0);
    });
  }
  for (std::uint64_t i = 0; i < senders; ++i) connected.wait();
  const double before = now();
  for (std::uint64_t i = 0; i < senders; ++i) begin.set();
  for (std::uint64_t i = 0; i < senders; ++i) sent.wait();
  const double took = now() - before;
  others.wait();
  if (Client(port).total() != std::make_pair(senders * each, expected)) fail("another sum");
  return took;
}

double oneWay(std::uint64_t senders, std::uint64_t messages) {
  const std::uint64_t each = messages / senders;
  return millionsASecond(senders * each, timeSending(senders, each, 10'000, senders * sumOf(each), bytesOf));
}

double large(std::uint64_t count) {
  auto words = largeContents();
  const auto make = [&](std::uint64_t i) {
    number(words, i);
    const char* const data = reinterpret_cast<const char*>(words.data());
    return Bytes(data, data + kLargeBytes);
  };
  return gigabytesASecond(count, timeSending(1, count, 8, sumOfLarges(count), make));
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv, {roundTrip, oneWay, large}); }
