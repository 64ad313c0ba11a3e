// Those who attach to the running app through its socket: their connections. What they ask goes to node/client_requests.h.
//
// A client has one request open at a time. It is dropped where it sends what is no request, or a second request before
// the answer, or belongs to another user. None can make the root wait: of each at most one answer is kept, and where there are
// too many clients the one that came first goes.
//
// Errors:  none leave it. Where the socket can't be made the app runs without it, with a warning.
// Threads: the root's loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "loop/loop.h"
#include "node/client_requests.h"
#include "os/channel.h"
#include "os/client_socket.h"
#include "os/fd.h"

namespace troupe::node {

class Clients {
 public:
  static constexpr std::size_t kMost = 32;

  using Warn = std::function<void(const std::string&)>;
  Clients(loop::Loop& loop, ClientRequests requests, Warn warn);
  // The socket is removed.
  ~Clients();

  // From here on the app is found by this name.
  void open(const std::string& app);
  // Whether this is the name that one of them has in control messages.
  static bool isClient(const std::string& to);
  // What a client has asked of a supervisor is answered.
  void answered(wire::ReceivedControl& message);

 private:
  struct Client {
    os::Fd connection;
    bool asked = false;  // and was not answered yet
    std::vector<std::byte> unsent;
    std::unique_ptr<loop::Poll> poll;
  };

  void accept();
  void add(os::Fd connection);
  void onReady(std::uint64_t number);
  void read(std::uint64_t number);
  void answer(std::uint64_t number, std::vector<std::byte> packet);
  void write(std::uint64_t number);

  loop::Loop& loop_;
  ClientRequests requests_;
  Warn warn_;
  os::ClientSocket socket_;
  os::Fd listener_;
  std::unique_ptr<loop::Poll> poll_;
  loop::Timer again_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Client> clients_;  // by their numbers, in the order in which they came
  os::ChannelMessage received_;
};

}  // namespace troupe::node
