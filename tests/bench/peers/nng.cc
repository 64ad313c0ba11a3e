// nng over ipc://: req and rep, push and pull.
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include "tests/bench/peers/peer.h"

namespace {

using namespace peer;

constexpr const char* kAddress = "ipc://nng.socket";

void insist(int result, const char* what) {
  if (result != 0) fail(std::string(what) + ": " + nng_strerror(result));
}

class Socket {
 public:
  explicit Socket(int (*open)(nng_socket*)) {
    insist(open(&socket_), "a socket can't be opened");
    insist(nng_socket_set_size(socket_, NNG_OPT_RECVMAXSZ, 0), "nng_socket_set_size");
  }
  void listen() { insist(nng_listen(socket_, kAddress, nullptr, 0), "nng_listen"); }
  void dial() { insist(nng_dial(socket_, kAddress, nullptr, 0), "nng_dial"); }
  void send(const void* data, std::size_t bytes) {
    insist(nng_send(socket_, const_cast<void*>(data), bytes, 0), "nng_send");
  }
  // Hands its bytes to `use`.
  template <class Use>
  std::uint64_t receive(const Use& use) {
    nng_msg* message = nullptr;
    insist(nng_recvmsg(socket_, &message, 0), "nng_recvmsg");
    const std::uint64_t result = use(nng_msg_body(message), nng_msg_len(message));
    nng_msg_free(message);
    return result;
  }

 private:
  nng_socket socket_;
};

double roundTrip(std::uint64_t count) {
  Processes processes;
  Signal ready;
  processes.start([&] {
    Socket socket(nng_rep0_open);
    socket.listen();
    ready.set();
    for (;;) {
      Message message;
      message.value = socket.receive(valueIn);
      socket.send(&message, sizeof message);
    }
  });
  ready.wait();
  Socket socket(nng_req0_open);
  socket.dial();
  return timeTrips(count, [&](const Message& message) {
    socket.send(&message, sizeof message);
    return socket.receive(valueIn);
  });
}

double oneWay(std::uint64_t senders, std::uint64_t messages) {
  const auto receive = [&](const Signal& ready, std::uint64_t count) {
    Socket socket(nng_pull0_open);
    socket.listen();
    ready.set();
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) sum += socket.receive(valueIn);
    return sum;
  };
  const auto send = [&](std::uint64_t each, const auto& begin, const auto& stay) {
    Socket socket(nng_push0_open);
    socket.dial();
    begin();
    for (std::uint64_t i = 0; i < each; ++i) {
      const Message message{.value = valueOf(i)};
      socket.send(&message, sizeof message);
    }
    stay();
  };
  const std::uint64_t each = messages / senders;
  return millionsASecond(senders * each, timeOneWay(senders, each, senders * sumOf(each), receive, send));
}

double large(std::uint64_t count) {
  const auto receive = [&](const Signal& ready, std::uint64_t) {
    Socket socket(nng_pull0_open);
    socket.listen();
    ready.set();
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) sum += socket.receive(sumOfLarge);
    return sum;
  };
  const auto send = [&](std::uint64_t, const auto& begin, const auto& stay) {
    Socket socket(nng_push0_open);
    socket.dial();
    auto words = largeContents();
    begin();
    for (std::uint64_t i = 0; i < count; ++i) {
      number(words, i);
      socket.send(words.data(), kLargeBytes);
    }
    stay();
  };
  return gigabytesASecond(count, timeOneWay(1, count, sumOfLarges(count), receive, send));
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv, {roundTrip, oneWay, large}); }
