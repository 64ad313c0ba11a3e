#include <troupe/later.h>

#include "actor/actor_process.h"
#include "wire/message.h"

namespace troupe::detail {

namespace {

loop::Clock::time_point deadlineOf(const LaterCall& call) {
  if (call.deadline == 0) return loop::Clock::time_point::max();
  return loop::Clock::time_point(std::chrono::nanoseconds(call.deadline));
}

void sendAnswer(const LaterCall& call, std::span<const std::byte> message) {
  actor::ActorProcess::current().server().answer({.actor = call.caller, .lane = wire::Lane::reply}, message,
                                                 deadlineOf(call));
}

}  // namespace

bool isOver(const LaterCall& call) { return call.caller == 0 || deadlineOf(call) <= loop::Clock::now(); }

void refuseLater(const LaterCall& call, std::string_view text) {
  if (isOver(call)) return;
  wire::OutgoingMessage message;
  sendAnswer(call, wire::finishError(message, call.number, ErrorKind::refused, text));
}

struct LaterDraft::State {
  LaterCall call;
  wire::OutgoingMessage message{&actor::ActorProcess::current().arena()};
};

LaterDraft::LaterDraft(const LaterCall& call) : state_(new State{call}) {
  state_->message.envelope().initResult().setCall(call.number);
}

LaterDraft::~LaterDraft() = default;

capnp::AnyPointer::Builder LaterDraft::body() { return state_->message.body(); }

void LaterDraft::send() {
  const auto& process = actor::ActorProcess::current();
  const auto purpose = [&] { return "answering a call later from " + process.path(); };
  sendAnswer(state_->call, state_->message.finish(purpose));
}

}  // namespace troupe::detail
