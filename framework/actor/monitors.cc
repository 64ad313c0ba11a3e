#include "actor/monitors.h"

#include <algorithm>

namespace troupe {

namespace actor {

std::shared_ptr<Monitor::State> Monitors::add(wire::ActorId actor, std::uint32_t process) {
  auto state = std::make_shared<Monitor::State>();
  state->process = process;
  state->withdrawn = [this, actor] {
    const auto found = watched_.find(actor);
    if (found == watched_.end()) return;
    std::erase_if(found->second, [](const auto& weak) { return weak.expired(); });
    if (!found->second.empty()) return;
    watched_.erase(found);
    hooks_.unwatch(actor);
  };
  auto& states = watched_[actor];
  states.push_back(state);
  if (process != 0) {
    hooks_.watchProcess(actor, process);
  } else {
    hooks_.watch(actor);
  }
  return state;
}

void Monitors::tell(wire::ActorId actor, const Down& down, bool replaced) {
  const auto found = watched_.find(actor);
  if (found == watched_.end()) return;
  // Those told may come and go while they are told.
  const auto states = found->second;
  if (down.final) watched_.erase(found);
  for (const auto& weak : states) {
    const auto state = weak.lock();
    if (!state || state->final) continue;
    if (state->process == 0) {
      if (replaced) continue;
      state->told.push_back(down);
      state->final = down.final;
    } else {
      if (!down.final && down.generation != state->process) continue;
      Down& told = state->told.emplace_back(down);
      told.generation = state->process;
      told.final = state->final = true;
    }
    if (const auto waiting = std::exchange(state->waiting, {})) waiting.resume();
  }
}

void Monitors::watchAgain() const {
  for (const auto& [actor, states] : watched_) {
    for (const auto& weak : states) {
      const auto state = weak.lock();
      if (!state || state->final) continue;
      if (state->process == 0) {
        hooks_.watch(actor);
      } else {
        hooks_.watchProcess(actor, state->process);
      }
    }
  }
}

}  // namespace actor

namespace {
struct ToldAwaiter {
  Monitor::State& state;
  bool await_ready() const { return !state.told.empty(); }
  void await_suspend(std::coroutine_handle<> handle) const { state.waiting = handle; }
  void await_resume() const {}
  ~ToldAwaiter() { state.waiting = {}; }
};

Task<Down> nextOf(std::shared_ptr<Monitor::State> state, std::string what) {
  if (state->waiting) throw Error(ErrorKind::invalid, "monitoring: next() is being awaited already");
  if (state->told.empty() && state->final) throw Error(ErrorKind::gone, what);
  co_await ToldAwaiter{*state};
  Down down = std::move(state->told.front());
  state->told.pop_front();
  co_return down;
}
}  // namespace

Task<Down> Monitor::next() {
  return nextOf(state_, "monitoring: the actor has gone for good, and that was told already");
}

}  // namespace troupe
