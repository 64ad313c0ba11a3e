// ZeroMQ over ipc://: REQ and REP, PUSH and PULL.
#include <zmq.h>

#include "tests/bench/peers/sockets.h"

namespace {

using namespace peer;

constexpr const char* kAddress = "ipc://zeromq.socket";

void insist(int result, const char* what) {
  if (result < 0) fail(std::string(what) + ": " + zmq_strerror(zmq_errno()));
}

class Socket {
 public:
  explicit Socket(Role role) : context_(zmq_ctx_new()), socket_(zmq_socket(context_, typeOf(role))) {
    if (socket_ == nullptr) fail("zmq_socket failed");
    if (role == Role::pullLarge || role == Role::pushLarge) {
      const int waiting = 4;  // messages, at most; the library's own limit would take gigabytes
      insist(zmq_setsockopt(socket_, ZMQ_SNDHWM, &waiting, sizeof waiting), "zmq_setsockopt");
      insist(zmq_setsockopt(socket_, ZMQ_RCVHWM, &waiting, sizeof waiting), "zmq_setsockopt");
    }
    if (role == Role::answer || role == Role::pull || role == Role::pullLarge)
      insist(zmq_bind(socket_, kAddress), "zmq_bind");
    else
      insist(zmq_connect(socket_, kAddress), "zmq_connect");
  }
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
  static int typeOf(Role role) {
    switch (role) {
      case Role::answer: return ZMQ_REP;
      case Role::ask: return ZMQ_REQ;
      case Role::pull:
      case Role::pullLarge: return ZMQ_PULL;
      default: return ZMQ_PUSH;
    }
  }

  void* context_;
  void* socket_;
};

}  // namespace

int main(int argc, char** argv) { return run(argc, argv, betweenSockets<Socket>()); }
