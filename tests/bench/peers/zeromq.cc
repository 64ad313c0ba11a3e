// ZeroMQ over ipc://: REQ and REP, PUSH and PULL.
#include <zmq.h>

#include "tests/bench/peers/peer.h"

namespace {

using namespace peer;

constexpr const char* kAddress = "ipc://zeromq.socket";

void insist(int result, const char* what) {
  if (result < 0) fail(std::string(what) + ": " + zmq_strerror(zmq_errno()));
}

class Socket {
 public:
  // At most `waiting` messages wait in it; 0: the library's own limit.
  explicit Socket(int type, int waiting = 0) : context_(zmq_ctx_new()), socket_(zmq_socket(context_, type)) {
    if (socket_ == nullptr) fail("zmq_socket failed");
    if (waiting == 0) return;
    insist(zmq_setsockopt(socket_, ZMQ_SNDHWM, &waiting, sizeof waiting), "zmq_setsockopt");
    insist(zmq_setsockopt(socket_, ZMQ_RCVHWM, &waiting, sizeof waiting), "zmq_setsockopt");
  }
  void bind() { insist(zmq_bind(socket_, kAddress), "zmq_bind"); }
  void connect() { insist(zmq_connect(socket_, kAddress), "zmq_connect"); }
  void send(const void* data, std::size_t bytes) { insist(zmq_send(socket_, data, bytes, 0), "zmq_send"); }
  // Hands its bytes to `use`.
  template <class Use>
  std::uint64_t receive(const Use& use) {
    zmq_msg_t message;
    zmq_msg_init(&message);
    insist(zmq_msg_recv(&message, socket_, 0), "zmq_msg_recv");
    const std::uint64_t result = use(zmq_msg_data(&message), zmq_msg_size(&message));
    zmq_msg_close(&message);
    return result;
  }

 private:
  void* context_;
  void* socket_;
};

double roundTrip(std::uint64_t count) {
  Processes processes;
  Signal ready;
  processes.start([&] {
    Socket socket(ZMQ_REP);
    socket.bind();
    ready.set();
    for (;;) {
      Message message;
      message.value = socket.receive(valueIn);
      socket.send(&message, sizeof message);
    }
  });
  ready.wait();
  Socket socket(ZMQ_REQ);
  socket.connect();
  return timeTrips(count, [&](const Message& message) {
    socket.send(&message, sizeof message);
    return socket.receive(valueIn);
  });
}

double oneWay(std::uint64_t senders, std::uint64_t messages) {
  const auto receive = [&](const Signal& ready, std::uint64_t count) {
    Socket socket(ZMQ_PULL);
    socket.bind();
    ready.set();
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) sum += socket.receive(valueIn);
    return sum;
  };
  const auto send = [&](std::uint64_t each, const auto& begin, const auto& stay) {
    Socket socket(ZMQ_PUSH);
    socket.connect();
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
    Socket socket(ZMQ_PULL, 4);
    socket.bind();
    ready.set();
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) sum += socket.receive(sumOfLarge);
    return sum;
  };
  const auto send = [&](std::uint64_t, const auto& begin, const auto& stay) {
    Socket socket(ZMQ_PUSH, 4);
    socket.connect();
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
