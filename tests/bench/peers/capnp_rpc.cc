// Cap'n Proto's own RPC over socket pairs, in one event loop a process.
#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <sys/socket.h>

#include "bench.capnp.h"
#include "tests/bench/peers/peer.h"

namespace {

using namespace peer;

struct SocketPair {
  SocketPair() {
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) fail("no socket pair");
  }
  int ends[2];
};

class SinkServer final : public Sink::Server {
 public:
  kj::Promise<void> take(TakeContext context) override {
    const auto data = context.getParams().getData();
    sum_ += data.size() == kLargeBytes ? sumOfLarge(data.begin(), data.size())
                                       : valueIn(data.begin(), data.size());
    ++messages_;
    return kj::READY_NOW;
  }
  kj::Promise<void> total(TotalContext context) override {
    context.getResults().setMessages(messages_);
    context.getResults().setSum(sum_);
    return kj::READY_NOW;
  }
  kj::Promise<void> echo(EchoContext context) override {
    context.getResults().setData(context.getParams().getData());
    return kj::READY_NOW;
  }

 private:
  std::uint64_t messages_ = 0;
  std::uint64_t sum_ = 0;
};

// One end of each pair, for ever: killed when all else is over.
void serve(const std::vector<SocketPair>& pairs) {
  auto io = kj::setupAsyncIo();
  Sink::Client sink = kj::heap<SinkServer>();
  capnp::TwoPartyServer server(kj::mv(sink));
  for (const SocketPair& pair : pairs) {
    ::close(pair.ends[1]);
    auto stream =
        io.lowLevelProvider->wrapSocketFd(pair.ends[0], kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP);
    server.accept(kj::mv(stream));
  }
  kj::Promise<void>(kj::NEVER_DONE).wait(io.waitScope);
}

class Client {
 public:
  explicit Client(const SocketPair& pair)
      : io_(kj::setupAsyncIo()),
        stream_(io_.lowLevelProvider->wrapSocketFd(pair.ends[1])),
        client_(*stream_),
        sink_(client_.bootstrap().castAs<Sink>()) {}

  std::uint64_t echo(const Message& message) {
    auto request = sink_.echoRequest();
    request.setData({reinterpret_cast<const kj::byte*>(&message), sizeof message});
    auto response = request.send().wait(io_.waitScope);
    return valueIn(response.getData().begin(), response.getData().size());
  }
  void take(const void* data, std::size_t bytes) {
    auto request = sink_.takeRequest();
    request.setData({static_cast<const kj::byte*>(data), bytes});
    request.send().wait(io_.waitScope);
  }
  // What all have sent that were served before.
  std::pair<std::uint64_t, std::uint64_t> total() {
    auto response = sink_.totalRequest().send().wait(io_.waitScope);
    return {response.getMessages(), response.getSum()};
  }

 private:
  kj::AsyncIoContext io_;
  kj::Own<kj::AsyncIoStream> stream_;
  capnp::TwoPartyClient client_;
  Sink::Client sink_;
};

double roundTrip(std::uint64_t count) {
  std::vector<SocketPair> pairs(1);
  Processes processes;
  processes.start([&] { serve(pairs); });
  Client client(pairs[0]);
  return timeTrips(count, [&](const Message& message) { return client.echo(message); });
}

// Nanoseconds until all that the senders have sent has been received.
double timeSending(std::uint64_t senders, std::uint64_t count, std::uint64_t expected,
                   const std::function<void(Client&)>& send) {
  std::vector<SocketPair> pairs(senders + 1);
  Processes server, others;
  server.start([&] { serve(pairs); });
  Signal connected, begin, sent;
  for (std::uint64_t i = 0; i < senders; ++i) {
    others.start([&] {
      Client client(pairs[i]);
      client.total();
      connected.set();
      begin.wait();
      send(client);
      client.total();  // comes back when all before it was received
      sent.set();
    });
  }
  for (std::uint64_t i = 0; i < senders; ++i) connected.wait();
  const double before = now();
  for (std::uint64_t i = 0; i < senders; ++i) begin.set();
  for (std::uint64_t i = 0; i < senders; ++i) sent.wait();
  const double took = now() - before;
  others.wait();
  if (Client(pairs[senders]).total() != std::make_pair(count, expected)) fail("another sum");
  return took;
}

double oneWay(std::uint64_t senders, std::uint64_t messages) {
  const std::uint64_t each = messages / senders;
  const auto send = [each](Client& client) {
    for (std::uint64_t i = 0; i < each; ++i) {
      const Message message{.value = valueOf(i)};
      client.take(&message, sizeof message);
    }
  };
  return millionsASecond(senders * each, timeSending(senders, senders * each, senders * sumOf(each), send));
}

double large(std::uint64_t count) {
  const auto send = [count](Client& client) {
    auto words = largeContents();
    for (std::uint64_t i = 0; i < count; ++i) {
      number(words, i);
      client.take(words.data(), kLargeBytes);
    }
  };
  return gigabytesASecond(count, timeSending(1, count, sumOfLarges(count), send));
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv, {roundTrip, oneWay, large}); }
