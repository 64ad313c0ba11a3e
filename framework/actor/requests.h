// Questions that this process asks over its control lane, and their answers.
#pragma once

#include <troupe/error.h>
#include <troupe/spec.h>
#include <troupe/task.h>

#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include "loop/loop.h"
#include "wire/control_message.h"

namespace troupe::actor {

class Requests {
 public:
  using Send = std::function<void(wire::ControlMessage)>;
  using OnAnswer = std::function<void(wire::ReceivedControl&)>;

  // `generation` keeps apart the questions of this process and those of its predecessors.
  Requests(loop::Loop& loop, std::uint32_t generation, Send send)
      : loop_(loop), send_(std::move(send)), last_(std::uint64_t{generation} << 32) {}

  // Asks; the answer, `failed` included, goes to `then`.
  void ask(wire::ControlMessage question, OnAnswer then);
  // Asks and waits. Throws the Error of a `failed` answer; timedOut after `within`, naming `what`.
  Task<std::shared_ptr<wire::ReceivedControl>> ask(wire::ControlMessage question, Duration within,
                                                   std::string what);

  // Every question that is open, and every later one, is answered with `why`.
  void close(const Error& why);

  // A message with a request number has come. False where nobody waits for it.
  bool answered(wire::ReceivedControl& answer);

 private:
  std::uint64_t next() { return ++last_; }

  loop::Loop& loop_;
  Send send_;
  std::uint64_t last_;
  std::unordered_map<std::uint64_t, OnAnswer> waiting_;
  std::optional<Error> closed_;
};

}  // namespace troupe::actor
