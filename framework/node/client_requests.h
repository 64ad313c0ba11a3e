// What those may ask who attach to a running app (schemas/client.capnp), and the answers.
//
// Size:    an answer is at most one packet of os/channel.h; what is longer is asked for in parts.
// Errors:  what can't be done is an answer, `failed`. Bytes that are no request throw kj::Exception.
// Threads: the root's loop.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "mailbox/dead_letters.h"
#include "node/directory.h"
#include "schemas/client.capnp.h"

namespace troupe::node {

class ClientRequests {
 public:
  ClientRequests(Directory& directory, mailbox::DeadLetters& letters, std::function<void()> stopApp)
      : directory_(directory), letters_(letters), stopApp_(std::move(stopApp)) {}

  // The answer. Empty where it must wait for a supervisor: then the directory sends that one's answer to `asker`.
  std::vector<std::byte> answer(std::span<const std::byte> request, const std::string& asker);
  // The answer that a supervisor's makes.
  static std::vector<std::byte> answerOf(wire::ReceivedControl& message);

 private:
  using Answer = wire::ClientAnswer::Builder;
  bool fill(Answer answer, wire::ClientRequest::Reader request, const std::string& asker);
  void actors(Answer answer, const std::string& after) const;
  void letters(Answer answer, std::uint64_t after) const;
  void letter(Answer answer, std::uint64_t number, std::uint64_t offset) const;
  void purge(Answer answer, std::uint64_t number);
  void resend(std::uint64_t number);
  void manage(wire::Manage::Reader manage, const std::string& asker);
  const wire::Letter& letterOf(std::uint64_t number) const;

  Directory& directory_;
  mailbox::DeadLetters& letters_;
  std::function<void()> stopApp_;
};

}  // namespace troupe::node
