// nng over ipc://: req and rep, push and pull.
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include "tests/bench/peers/sockets.h"

namespace {

using namespace peer;

constexpr const char* kAddress = "ipc://nng.socket";

void insist(int result, const char* what) {
  if (result != 0) fail(std::string(what) + ": " + nng_strerror(result));
}

class Socket {
 public:
  explicit Socket(Role role) {
    insist(open(role), "a socket can't be opened");
    insist(nng_socket_set_size(socket_, NNG_OPT_RECVMAXSZ, 0), "nng_socket_set_size");
    if (role == Role::answer || role == Role::pull || role == Role::pullLarge)
      insist(nng_listen(socket_, kAddress, nullptr, 0), "nng_listen");
    else
      insist(nng_dial(socket_, kAddress, nullptr, 0), "nng_dial");
  }
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
  int open(Role role) {
    switch (role) {
      case Role::answer: return nng_rep0_open(&socket_);
      case Role::ask: return nng_req0_open(&socket_);
      case Role::pull:
      case Role::pullLarge: return nng_pull0_open(&socket_);
      default: return nng_push0_open(&socket_);
    }
  }

  nng_socket socket_;
};

}  // namespace

int main(int argc, char** argv) { return run(argc, argv, betweenSockets<Socket>()); }
