// A socket that coroutines wait for: its descriptor, its place in the event loop, and who waits.
//
// Order:     those who wait for the same are woken in the order in which they came; each tries again what
//            would have blocked.
// Ownership: shared by a Stream or Listener and the tasks that it has given out.
// Errors:    invalid, without an event loop to wait on.
// Threads:   the loop's. A Listener's endpoint is copied by fork: the child, with a loop of its own, begins
//            to wait anew.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loop/loop.h"
#include "os/fd.h"

namespace troupe::net {

class Endpoint : public std::enable_shared_from_this<Endpoint> {
 public:
  explicit Endpoint(os::Fd fd) : fd_(std::move(fd)) {}
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  int fd() const { return fd_.get(); }
  // Errors: invalid, while a task reads, writes or waits.
  int release();

  // Until the socket may be ready. Destroying a Wait (as cancelling its coroutine does) withdraws it.
  class Wait {
   public:
    Wait(Endpoint& endpoint, std::vector<Wait*>& queue) : endpoint_(endpoint), queue_(queue) {}
    ~Wait();
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiting);
    void await_resume() const {}
    void wake() { waiting_.resume(); }

   private:
    Endpoint& endpoint_;
    std::vector<Wait*>& queue_;
    std::coroutine_handle<> waiting_;
  };
  // Those who wait for it to be readable try again.
  void wakeReaders() { wake(readers_); }
  Wait readable() { return Wait(*this, readers_); }
  Wait writable() { return Wait(*this, writers_); }

  // Counts what was done without waiting; true where it is time to let others run.
  bool turnIsOver();

  // The last read took all that there was. To read again at once would mostly be in vain, or would answer one
  // peer that is quick again and again while others wait; the loop knows of all who are ready. What has come
  // since then, or was left over all the same, makes the wait a short one.
  bool exhausted() const { return exhausted_; }
  void hasRead(std::size_t bytes, std::size_t room) { exhausted_ = bytes < room; }

  // Held by the one task that reads, and by the one that writes.
  class Claim {
   public:
    // Errors: invalid, where it is taken; `what` says by whom.
    Claim(bool& taken, const char* what);
    ~Claim() { taken_ = false; }
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

   private:
    bool& taken_;
  };
  Claim claimReading() { return Claim(reading_, "reads from"); }
  Claim claimWriting() { return Claim(writing_, "writes to"); }

  // Kept, since a socket whose peer has broken off does not know it any more. "a peer" where it was never
  // known.
  const std::string& peer();

 private:
  void ready(bool readable, bool writable);
  void wake(std::vector<Wait*>& queue);
  loop::Interest interest() const;
  void waitOnLoop();

  os::Fd fd_;
  std::vector<Wait*> readers_;
  std::vector<Wait*> writers_;
  bool reading_ = false;
  bool writing_ = false;
  bool wantsReadable_ = false;
  bool exhausted_ = false;
  unsigned inARow_ = 0;
  std::string peer_;
  // Declared last: gone before the descriptor is closed.
  std::shared_ptr<loop::Loop::State> loop_;
  std::optional<loop::Poll> poll_;
};

// Lets the event loop go round once.
class NextTurn {
 public:
  ~NextTurn();
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiting);
  void await_resume() const {}

 private:
  std::shared_ptr<std::coroutine_handle<>> waiting_;
};

// Sleeps.
class Pause {
 public:
  explicit Pause(loop::Duration duration) : duration_(duration) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiting);
  void await_resume() const {}

 private:
  loop::Duration duration_;
  std::optional<loop::Timer> timer_;
};

}  // namespace troupe::net
