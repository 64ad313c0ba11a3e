// What those may ask who attach to a running app (schemas/client.capnp), and the answers.
//
// Size:    an answer is at most one packet of os/channel.h; what is longer is asked for in parts.
// Errors:  what can't be done is an answer, `failed`. Bytes that are no request throw kj::Exception.
// Threads: the root's loop.
#pragma once

#include <capnp/raw-schema.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "mailbox/dead_letters.h"
#include "node/directory.h"
#include "os/fd.h"
#include "schemas/client.capnp.h"

namespace troupe::node {

struct ClientReply {
  std::vector<std::byte> packet = {};
  os::Fd descriptor = {};  // beside it; not set: none
};

class ClientRequests {
 public:
  struct Hooks {
    std::function<void()> stopApp;
    // An interface, and those that it needs, as the program knows them.
    std::function<std::vector<const capnp::_::RawSchema*>(std::uint64_t interfaceId)> schema =
        [](std::uint64_t) { return std::vector<const capnp::_::RawSchema*>(); };
  };
  ClientRequests(Directory& directory, mailbox::DeadLetters& letters, Hooks hooks)
      : directory_(directory), letters_(letters), hooks_(std::move(hooks)) {}

  // The answer. Empty where it must wait for a supervisor: then the directory sends that one's answer to `asker`.
  ClientReply answer(std::span<const std::byte> request, const std::string& asker);
  // The answer that a supervisor's makes.
  static ClientReply answerOf(wire::ReceivedControl& message);
  static ClientReply refusal(const Error& why);

  // Whether it asks for a session; the supervisor's answer to startSession() goes to `asker`.
  static bool isForSession(std::span<const std::byte> request);
  void startSession(const std::string& id, const os::Fd& connection, const std::string& asker);

 private:
  using Answer = wire::ClientAnswer::Builder;
  bool fill(Answer answer, os::Fd& descriptor, wire::ClientRequest::Reader request, const std::string& asker);
  void actors(Answer answer, const std::string& after) const;
  void letters(Answer answer, std::uint64_t after) const;
  void letter(Answer answer, std::uint64_t number, std::uint64_t offset) const;
  void purge(Answer answer, std::uint64_t number);
  void resend(std::uint64_t number);
  void schema(Answer answer, wire::ClientRequest::Schema::Reader asked) const;
  void manage(wire::Manage::Reader manage, const std::string& asker);
  const wire::Letter& letterOf(std::uint64_t number) const;

  Directory& directory_;
  mailbox::DeadLetters& letters_;
  Hooks hooks_;
};

}  // namespace troupe::node
