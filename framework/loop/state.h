// What a Loop and the Timers and Polls on it share. For the sources of this room only: nobody else sees
// <uv.h>.
//
// libuv closes a handle in two steps: its memory must live until the close callback. So the state of each
// handle holds itself from its making until then, while the Timer or Poll that owns it may be gone long
// before.
#pragma once

#include <uv.h>

#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

#include "loop/loop.h"

namespace troupe::loop {

struct Loop::State {
  uv_loop_t uv = {};
  uv_prepare_t prepare = {};  // always active, and no reason to go on
  uv_idle_t idle = {};        // active while the loop must not sleep
  std::deque<std::function<void()>> posted;
  std::function<bool()> hook;
  std::vector<DrainNotice*> notices;
  Clock::time_point asleepSince = {};  // the epoch: it is not asleep
  Duration lastSleep = {};
  bool draining = false;
  std::exception_ptr failure;  // what run() is to throw
  bool running = false;
  bool abandoned = false;
  bool closed = false;

  State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  bool usable() const { return !abandoned && !closed; }
  void run();
  void close();
  void stayAwake();
  void beforePoll();
  void woken();
  void runPosted();
  // libuv is C: no exception may pass through it. After one, no other callback runs.
  template <class Work>
  void guard(const Work& work) {
    try {
      work();
    } catch (...) {
      fail(std::current_exception());
    }
  }
  void fail(std::exception_ptr thrown);
};

// What the states of Timers and Polls have in common.
class HandleState {
 public:
  explicit HandleState(std::shared_ptr<Loop::State> loop) : loop_(std::move(loop)) {}
  virtual ~HandleState() = default;
  HandleState(const HandleState&) = delete;
  HandleState& operator=(const HandleState&) = delete;

  // No more callbacks from here on. Of an abandoned loop nothing is touched, and the memory stays.
  void close();

 protected:
  virtual uv_handle_t* handle() = 0;
  // Lets go of the callback and what it has captured.
  virtual void dropCallback() = 0;

  // To be called once the handle is initialised.
  void hold(std::shared_ptr<HandleState> self);
  bool usable() const { return loop_->usable() && !closing_; }
  Loop::State& loop() { return *loop_; }
  // Runs the callback, which may close this.
  template <class Callback>
  void call(const Callback& callback) {
    calling_ = true;
    loop_->guard(callback);
    calling_ = false;
    if (closing_) dropCallback();
  }
  // An exception is on its way out of run(): what came now has to come again.
  bool failing() const { return loop_->failure != nullptr; }

 private:
  std::shared_ptr<Loop::State> loop_;
  std::shared_ptr<HandleState> self_;
  bool closing_ = false;
  bool calling_ = false;
};

}  // namespace troupe::loop
