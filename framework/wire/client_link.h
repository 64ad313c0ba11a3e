// A process's connection to a running app that is not its own: attaches, proves that it has the app's key, asks, and sends messages
// to actors by a session (schemas/client.capnp). It blocks.
//
// Errors:  gone (the app has ended, or was never there), timedOut, refused (by the app: its key), overloaded, system, invalid (too
//          large a request, or an answer that makes no sense). An answer that comes after timedOut is passed over.
// Threads: one user at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "os/channel.h"
#include "os/client_socket.h"
#include "os/fd.h"
#include "schemas/client.capnp.h"
#include "wire/flat_message.h"
#include "wire/parts.h"

namespace troupe::wire {

// Of an app. One that is required must be the app's too: where it has none, it may be an impostor.
struct ClientKey {
  std::string secret;  // empty: none
  bool required = false;
};

using Limit = std::optional<std::chrono::milliseconds>;  // none: for ever
// "8 s"
std::string limitText(std::chrono::milliseconds limit);

// Connects, and proves on both sides who has a key, where there is one. Errors: gone, timedOut, refused, system.
os::Fd attachTo(const os::ClientSocket& app, const ClientKey& key, Limit limit);

// What a request is for, and how long its answer may take.
struct Errand {
  std::string what;  // "calling Till.pay of /till"
  Limit limit = std::nullopt;
};

class ClientLink {
 public:
  ClientLink(os::ClientSocket app, const ClientKey& key, Limit limit);

  const os::ClientSocket& app() const { return app_; }
  // The largest request that may be sent.
  std::size_t mostBytes() const { return mostBytes_; }

  // Sends it, with a number, and waits for its answer, which may be `failed`.
  using Answer = std::unique_ptr<FlatMessage>;
  Answer exchange(capnp::MallocMessageBuilder& message, const Errand& errand);
  // Throws what an answer says that is `failed`.
  static void check(const Answer& answer);

 private:
  using Until = std::optional<std::chrono::steady_clock::time_point>;
  void openSession(const Errand& errand, Until until);
  void send(std::vector<std::byte> request, const Errand& errand, Until until);
  void passOver(const Errand& errand);
  Answer receive(const Errand& errand, Until until);

  os::ClientSocket app_;
  os::Fd connection_;
  std::size_t mostBytes_ = 0;
  std::uint64_t last_ = 0;
  PartsWriter unsent_;  // the rest of what somebody has not waited for comes first
  PartsReader reader_;
};

}  // namespace troupe::wire
