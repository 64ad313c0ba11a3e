#include <troupe/error.h>

#include <cerrno>
#include <string>
#include <utility>

#include "loop/loop.h"
#include "loop/state.h"

namespace troupe::loop {
namespace {

int eventsOf(Interest interest) {
  switch (interest) {
    case Interest::none: return 0;
    case Interest::readable: return UV_READABLE;
    case Interest::writable: return UV_WRITABLE;
    case Interest::both: return UV_READABLE | UV_WRITABLE;
    case Interest::hangUp: return UV_DISCONNECT;
  }
  return 0;
}

}  // namespace

struct Poll::State final : HandleState {
  State(std::shared_ptr<Loop::State> loop, Callback callback)
      : HandleState(std::move(loop)), callback_(std::move(callback)) {}

  void open(int fd, std::shared_ptr<State> self) {
    if (!usable()) return;
    const int error = uv_poll_init(&loop().uv, &poll_, fd);
    if (error == UV_EPERM)
      throw Error(ErrorKind::invalid,
                  "descriptor " + std::to_string(fd) + " cannot be waited for: it is a plain file");
    if (error == UV_EEXIST)
      throw Error(ErrorKind::invalid, "descriptor " + std::to_string(fd) + " is being waited for already");
    if (error != 0) throw Error::system("cannot wait for descriptor " + std::to_string(fd), -error);
    hold(std::move(self));
  }

  void want(Interest interest) {
    if (!usable() || interest == interest_) return;
    interest_ = interest;
    start();
  }

 private:
  uv_handle_t* handle() override { return reinterpret_cast<uv_handle_t*>(&poll_); }
  void dropCallback() override { std::exchange(callback_, nullptr); }

  void start() {
    if (interest_ == Interest::none)
      uv_poll_stop(&poll_);
    else
      uv_poll_start(&poll_, eventsOf(interest_), [](uv_poll_t* poll, int status, int events) {
        static_cast<State*>(static_cast<HandleState*>(poll->data))->ready(status, events);
      });
  }

  void ready(int status, int events) {
    loop().woken();
    // Level-triggered: what is passed over now comes again.
    if (!failing()) {
      // An error is for the caller's own read or write to find.
      const bool readable = status < 0 || (events & UV_READABLE) != 0;
      const bool writable =
          (status < 0 || (events & UV_WRITABLE) != 0) && (eventsOf(interest_) & UV_WRITABLE) != 0;
      call([&] { callback_(readable, writable); });
    }
    // libuv has stopped waiting where it reports an error.
    if (status < 0 && usable() && interest_ != Interest::none && !uv_is_active(handle())) start();
  }

  Callback callback_;
  Interest interest_ = Interest::none;
  uv_poll_t poll_ = {};
};

Poll::Poll(Loop& loop, int fd, Interest interest, Callback callback)
    : state_(std::make_shared<State>(loop.state(), std::move(callback))) {
  state_->open(fd, state_);
  state_->want(interest);
}

Poll::~Poll() { state_->close(); }

void Poll::want(Interest interest) { state_->want(interest); }

}  // namespace troupe::loop
