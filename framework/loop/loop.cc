#include "loop/loop.h"

#include <troupe/error.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "loop/state.h"
#include "os/library_pipe.h"

namespace troupe::loop {
namespace {

Loop* current = nullptr;

}  // namespace

Loop::State::State() {
  int error = 0;
  os::trackLibraryPipe([&] {
    error = uv_loop_init(&uv);
    return std::vector<int>{uv.signal_pipefd[0], uv.signal_pipefd[1]};
  });
  if (error != 0) throw Error::system("cannot make an event loop", -error);
  uv.data = this;
  uv_prepare_init(&uv, &prepare);
  uv_idle_init(&uv, &idle);
  uv_prepare_start(&prepare,
                   [](uv_prepare_t* handle) { static_cast<State*>(handle->loop->data)->beforePoll(); });
  uv_unref(reinterpret_cast<uv_handle_t*>(&prepare));
}

void Loop::State::run() {
  if (abandoned) return;
  if (running)
    throw Error(ErrorKind::invalid, "an event loop cannot be run from within one of its own callbacks");
  running = true;
  uv_run(&uv, UV_RUN_DEFAULT);
  running = false;
  if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
}

void Loop::State::fail(std::exception_ptr thrown) {
  failure = std::move(thrown);
  uv_stop(&uv);
}

// An active idle handle makes libuv look for ready descriptors without waiting, and is a reason to go on.
void Loop::State::stayAwake() {
  uv_idle_start(&idle, [](uv_idle_t*) {});
}

void Loop::State::beforePoll() {
  if (!usable() || failure) return;
  bool more = false;
  guard([&] {
    runPosted();
    // Called through a copy: it may replace itself.
    if (const auto ask = hook) more = ask();
  });
  lastSleep = Duration::zero();
  asleepSince = {};
  if (more || !posted.empty()) return stayAwake();
  uv_idle_stop(&idle);
  asleepSince = Clock::now();
}

void Loop::State::woken() {
  if (asleepSince == Clock::time_point()) return;
  lastSleep = Clock::now() - std::exchange(asleepSince, {});
}

void Loop::State::runPosted() {
  for (std::size_t left = posted.size(); left > 0 && !posted.empty(); --left) {
    const std::function<void()> work = std::move(posted.front());
    posted.pop_front();
    work();
  }
}

void Loop::State::close() {
  if (!usable()) return;
  closed = true;
  posted.clear();
  hook = nullptr;
  const auto closeOne = [](uv_handle_t* handle, void*) {
    // Once the loop is closed its handles do nothing any more; what holds their memory is let go here.
    if (handle->data == nullptr) {
      if (!uv_is_closing(handle)) uv_close(handle, nullptr);
    } else {
      static_cast<HandleState*>(handle->data)->close();
    }
  };
  uv_walk(&uv, closeOne, nullptr);
  while (uv_loop_close(&uv) == UV_EBUSY) uv_run(&uv, UV_RUN_NOWAIT);
}

void HandleState::hold(std::shared_ptr<HandleState> self) {
  handle()->data = this;
  self_ = std::move(self);
}

void HandleState::close() {
  if (!self_ || closing_ || loop_->abandoned) return;
  closing_ = true;
  if (!calling_) dropCallback();
  uv_close(handle(), [](uv_handle_t* handle) {
    const auto last = std::move(static_cast<HandleState*>(handle->data)->self_);
  });
}

Loop::Loop() : state_(std::make_shared<State>()) {}

Loop::~Loop() { state_->close(); }

void Loop::run() { state_->run(); }

void Loop::stop() {
  if (state_->usable()) uv_stop(&state_->uv);
}

void Loop::drain() {
  state_->draining = true;
  for (DrainNotice* const notice : std::vector(state_->notices)) {
    const bool still =
        std::find(state_->notices.begin(), state_->notices.end(), notice) != state_->notices.end();
    if (still) notice->callback_();
  }
}

bool Loop::draining() const { return state_->draining; }
std::size_t Loop::drainNotices() const { return state_->notices.size(); }

DrainNotice::DrainNotice(Loop& loop, std::function<void()> callback)
    : loop_(loop.state()), callback_(std::move(callback)) {
  loop_->notices.push_back(this);
}

DrainNotice::~DrainNotice() { std::erase(loop_->notices, this); }

void Loop::post(std::function<void()> work) {
  if (!state_->usable()) return;
  state_->posted.push_back(std::move(work));
  state_->stayAwake();
}

void Loop::beforeSleep(std::function<bool()> hook) {
  if (state_->usable()) state_->hook = std::move(hook);
}

bool Loop::hasPosted() const { return !state_->posted.empty(); }

Duration Loop::lastSleep() const { return state_->lastSleep; }

void Loop::abandon() {
  state_->abandoned = true;
  // Nothing frees the state from here on: libuv's lists in it lead to handles that are still in use.
  static std::vector<std::shared_ptr<State>>& kept = *new std::vector<std::shared_ptr<State>>;
  kept.push_back(state_);
}

CurrentLoop::CurrentLoop(Loop& loop) : before_(std::exchange(current, &loop)) {}

CurrentLoop::~CurrentLoop() { current = before_; }

Loop& currentLoop() {
  if (current == nullptr)
    throw Error(ErrorKind::invalid, "there is no event loop to wait on in this process");
  return *current;
}

}  // namespace troupe::loop
