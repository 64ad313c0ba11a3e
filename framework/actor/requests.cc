#include "actor/requests.h"

#include "actor/pending_calls.h"
#include "wire/reason_codec.h"

namespace troupe::actor {

namespace {

// Shared by the waiting coroutine and whoever ends the wait; the coroutine may be destroyed first.
struct Wait {
  std::coroutine_handle<> waiting;
  std::shared_ptr<wire::ReceivedControl> answer;
  bool timedOut = false;

  void end() {
    if (const auto handle = std::exchange(waiting, {})) handle.resume();
  }
};

struct Awaiter {
  Wait& wait;
  bool await_ready() const { return wait.answer != nullptr; }
  void await_suspend(std::coroutine_handle<> handle) const { wait.waiting = handle; }
  void await_resume() const {}
  ~Awaiter() { wait.waiting = {}; }
};

void answerWith(const Error& why, const Requests::OnAnswer& then) {
  wire::ControlMessage message;
  wire::write(message->initFailed(), why);
  auto answer = wire::ReceivedControl::looped(message);
  then(answer);
}

}  // namespace

void Requests::close(const Error& why) {
  closed_.emplace(why);
  for (const auto& [number, then] : std::exchange(waiting_, {})) answerWith(why, then);
}

void Requests::ask(wire::ControlMessage question, OnAnswer then) {
  if (closed_) return loop_.post([why = *closed_, then = std::move(then)] { answerWith(why, then); });
  const std::uint64_t number = next();
  question->setRequest(number);
  waiting_.emplace(number, std::move(then));
  send_(std::move(question));
}

Task<std::shared_ptr<wire::ReceivedControl>> Requests::ask(wire::ControlMessage question, Duration within,
                                                           std::string what) {
  const auto wait = std::make_shared<Wait>();
  ask(std::move(question), [wait](wire::ReceivedControl& answer) {
    wait->answer = std::make_shared<wire::ReceivedControl>(std::move(answer));
    wait->end();
  });
  loop::Timer timer(loop_, [wait] {
    wait->timedOut = true;
    wait->end();
  });
  if (within != kForever) timer.startIn(within);
  co_await Awaiter{*wait};
  if (!wait->answer) throw Error(ErrorKind::timedOut, what + ": no answer within " + readable(within));
  const auto root = wait->answer->root();
  if (root.isFailed()) throw wire::read(root.getFailed());
  co_return wait->answer;
}

bool Requests::answered(wire::ReceivedControl& answer) {
  const auto found = waiting_.find(answer->getRequest());
  if (found == waiting_.end()) return false;
  const auto then = std::move(found->second);
  waiting_.erase(found);
  then(answer);
  return true;
}

}  // namespace troupe::actor
