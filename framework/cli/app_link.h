// A connection to a running app, and the questions that it answers (schemas/client.capnp).
//
// Errors:  Failure; every function may throw it.
// Threads: one.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "os/client_socket.h"
#include "os/fd.h"
#include "schemas/client.capnp.h"
#include "wire/client_link.h"
#include "wire/flat_message.h"
#include "wire/letter.h"

namespace troupe::cli {

using wire::Limit;
using wire::limitText;

// Those of this user that run.
std::vector<os::ClientSocket> runningApps();
// The one of this name, or of this "name.pid".
os::ClientSocket appCalled(const std::string& name);

// One line of the app's tree.
struct ActorLine {
  std::string path = {};
  std::string name = {};
  std::uint64_t id = 0;
  std::uint8_t role = 0;
  int pid = 0;
  bool ready = false;
  std::uint32_t generation = 0;
  std::uint64_t waitingBytes = 0;
  std::vector<std::uint64_t> interfaces = {};
};

struct ChildLine {
  std::string id;
  std::string path;
  std::string state;
};

struct LetterList {
  std::vector<wire::Letter> letters;  // without their messages
  std::uint64_t bytes = 0;
  std::uint64_t mostBytes = 0;
  std::uint64_t stored = 0;
  std::uint64_t evicted = 0;
};

class AppLink {
 public:
  // `limit` is for each answer.
  AppLink(os::ClientSocket app, Limit limit);

  const os::ClientSocket& app() const { return app_; }
  // "shop.1234"
  std::string title() const { return app_.title(); }

  // In the order of their paths; "/", the root, is the first.
  std::vector<ActorLine> actors();
  std::vector<ChildLine> children(const std::string& supervisor);
  // By its spec.
  bool isTemporary(const std::string& supervisor, const std::string& id);
  void stopApp();
  // Until the app has ended.
  void waitForEnd();
  void stop(const std::string& supervisor, const std::string& id);
  // The pid of its new process.
  int restart(const std::string& supervisor, const std::string& id);
  // By a process of the program in the file `image`; the pid of that.
  int upgrade(const std::string& supervisor, const std::string& id, const std::string& image);

  LetterList letters();
  wire::Letter letter(std::uint64_t number);
  void resend(std::uint64_t number);
  // 0: all. How many there were.
  std::uint64_t purge(std::uint64_t number);

  // Nodes of /capnp/schema.capnp, each a message: the interface, and all that it is made of.
  std::vector<std::vector<std::byte>> schema(std::uint64_t interfaceId);
  // The channel into which the actor's process shows its messages. Not set, where it has no process just now.
  os::Fd tap(const std::string& path);
  // So long, or until the app ends: it says nothing unasked.
  void waitForNews(std::chrono::milliseconds limit);

 private:
  using Fill = std::function<void(wire::ClientRequest::Builder)>;
  using Answer = std::unique_ptr<wire::FlatMessage>;
  Answer ask(const Fill& fill);
  Answer receive(const char* late = "has not answered");
  wire::Managed::Reader managed(const Answer& answer) const;
  [[noreturn]] void ended() const;

  os::ClientSocket app_;
  Limit limit_;
  os::Fd connection_;
  std::vector<os::Fd> beside_;  // came with the last answer
};

}  // namespace troupe::cli
