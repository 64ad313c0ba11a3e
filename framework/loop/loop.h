// The event loop of a process, over libuv: descriptors to wait for, timers, and things to do before it
// sleeps.
//
// Order:     in each round timers that are due, by their time; then posted work, in the order given; then
//            beforeSleep; then ready descriptors, in any order.
// Ownership: a Timer or Poll may outlive its Loop, and then does nothing any more. Callbacks may create and
//            destroy Polls and Timers, their own included, but not their Loop.
// Errors:    an exception that leaves a callback leaves run(), which may be called again. Making throws
//            `system`.
// Threads:   everything runs on, and belongs to, the thread that calls run().
//
// A forked child must not touch its parent's loop (the kernel's poll set is shared with the parent): it calls
// Loop::abandon() on it, which makes the destructors of everything on that loop do nothing, and makes a loop
// of its own.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

namespace troupe::loop {

using Clock = std::chrono::steady_clock;
using Duration = std::chrono::nanoseconds;

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Until stop() is called, or nothing is left to wait for: no timer started, no Poll with an interest, no
  // work posted.
  // Errors: invalid, from within one of its own callbacks.
  void run();
  // run() returns soon; where it is not running, the next run() returns at once.
  void stop();

  // Runs once, soon, from the loop; in the order given. May be called from callbacks. Work that is posted by
  // posted work runs in the next round, after ready descriptors.
  void post(std::function<void()> work);

  // Called each time before the loop would sleep, after all ready events were handled; where one returns true
  // there is more to do and the loop does not sleep. Removed by giving an empty function.
  void beforeSleep(std::function<bool()> hook);
  // There is work that was posted and has not begun.
  bool hasPosted() const;
  // How long the last sleep was, where a descriptor's readiness ended it; zero otherwise.
  Duration lastSleep() const;

  // The process is to end when what it has begun is over: nothing more is to be begun. Tells the DrainNotices.
  void drain();
  bool draining() const;
  std::size_t drainNotices() const;

  // In a forked child: from here on this loop and what stands on it is dead memory, and every call a no-op;
  // its descriptors are closed by os::settleChild().
  void abandon();

  struct State;
  const std::shared_ptr<State>& state() const { return state_; }

 private:
  std::shared_ptr<State> state_;
};

// Held by what has to be brought to an end before a draining process may end. It may outlive its loop.
class DrainNotice {
 public:
  // Calls back once, from Loop::drain().
  DrainNotice(Loop& loop, std::function<void()> callback);
  ~DrainNotice();
  DrainNotice(const DrainNotice&) = delete;
  DrainNotice& operator=(const DrainNotice&) = delete;

 private:
  std::shared_ptr<Loop::State> loop_;
  std::function<void()> callback_;
  friend class Loop;
};

// The loop that what this process awaits stands on: there is one for each process, set by whoever runs it.
class CurrentLoop {
 public:
  explicit CurrentLoop(Loop& loop);
  // The one before is current again.
  ~CurrentLoop();
  CurrentLoop(const CurrentLoop&) = delete;
  CurrentLoop& operator=(const CurrentLoop&) = delete;

 private:
  Loop* before_;
};

// Errors: invalid, where there is none.
Loop& currentLoop();

// One shot; it may be started again, from its callback too. Destroying or cancelling it means that the
// callback will not run any more.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> callback);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Rounded up to a millisecond; never early. Starting a timer that runs moves it.
  void startAt(Clock::time_point when);
  void startIn(Duration delay);
  void cancel();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// hangUp: that the other end has gone, and nothing else; then it is neither readable nor writable.
enum class Interest { none, readable, writable, both, hangUp };

// Calls back while the descriptor is ready (level-triggered). The descriptor stays the caller's, is made
// non-blocking, and must be open as long as the Poll lives. Each descriptor can have one Poll at a time; a
// duplicate can have another.
// Errors: invalid, for a descriptor that can't be polled (a plain file); system.
class Poll {
 public:
  // readable also where the other end has gone or there is an error.
  using Callback = std::function<void(bool readable, bool writable)>;
  Poll(Loop& loop, int fd, Interest interest, Callback callback);
  ~Poll();
  Poll(const Poll&) = delete;
  Poll& operator=(const Poll&) = delete;

  void want(Interest interest);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace troupe::loop
