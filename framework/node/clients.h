// Those who attach to the running app through its socket: their connections. Who has proved the app's key (node/admission.h) may
// ask (node/client_requests.h); who wants to talk to actors is handed to a process of its own (node/client_session.h).
//
// A client has one request open at a time. It is dropped where it sends what is no request, or a second request before
// the answer, or belongs to another user. None can make the root wait: of each at most one answer is kept, and where there are
// too many clients the one that came first goes: those who have not proved the key never push out one who has.
//
// Errors:  none leave it. Where the socket can't be made the app runs without it, with a warning.
// Threads: the root's loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "loop/loop.h"
#include "node/admission.h"
#include "node/client_requests.h"
#include "os/channel.h"
#include "os/client_socket.h"
#include "os/fd.h"

namespace troupe::node {

class Clients {
 public:
  static constexpr std::size_t kMost = 32;
  static constexpr std::size_t kMostSessions = 256;

  using Warn = std::function<void(const std::string&)>;
  // Who has no key, or another one, may ask nothing; empty: everybody may.
  Clients(loop::Loop& loop, std::string key, ClientRequests requests, Warn warn);
  // The socket is removed.
  ~Clients();

  // From here on the app is found by this name.
  void open(const std::string& app);
  // Whether this is the name that one of them has in control messages.
  static bool isClient(const std::string& to);
  // What a client has asked of a supervisor is answered.
  void answered(wire::ReceivedControl& message);
  // A child of the root has gone for good.
  void forgotten(const std::string& id) { sessions_.erase(id); }

 private:
  struct Client {
    os::Fd connection;
    Admission admission;
    bool asked = false;        // and was not answered yet
    std::string session = {};  // that it is being handed to: what it sends is not the root's to read
    ClientReply unsent = {};
    std::unique_ptr<loop::Poll> poll = {};
  };

  void accept();
  void add(os::Fd connection);
  void makeRoom(bool admitted);
  ClientReply replyTo(Client& client, std::uint64_t number);
  ClientReply openSession(Client& client, std::uint64_t number);
  void onReady(std::uint64_t number);
  void read(std::uint64_t number);
  void answer(std::uint64_t number, ClientReply reply);
  void write(std::uint64_t number);

  loop::Loop& loop_;
  const std::string key_;
  ClientRequests requests_;
  Warn warn_;
  os::ClientSocket socket_;
  os::Fd listener_;
  std::unique_ptr<loop::Poll> poll_;
  loop::Timer again_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Client> clients_;  // by their numbers, in the order in which they came
  std::set<std::string> sessions_;           // that run, or are being started
  os::ChannelMessage received_;
};

}  // namespace troupe::node
