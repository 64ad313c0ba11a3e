#include "net/endpoint.h"

#include <troupe/error.h>

#include <algorithm>

#include "os/socket.h"

namespace troupe::net {
namespace {

// Long enough to cost nothing, short enough for the control lane and other connections.
constexpr unsigned kInARow = 64;

}  // namespace

int Endpoint::release() {
  if (reading_ || writing_ || !readers_.empty() || !writers_.empty())
    throw Error(ErrorKind::invalid,
                "the connection with " + peer() + " cannot be given away while something reads or writes it");
  poll_.reset();
  return fd_.release();
}

Endpoint::Wait::~Wait() { std::erase(queue_, this); }

void Endpoint::Wait::await_suspend(std::coroutine_handle<> waiting) {
  waiting_ = waiting;
  endpoint_.inARow_ = 0;
  queue_.push_back(this);
  endpoint_.waitOnLoop();
}

bool Endpoint::turnIsOver() {
  if (++inARow_ < kInARow) return false;
  inARow_ = 0;
  return true;
}

Endpoint::Claim::Claim(bool& taken, const char* what) : taken_(taken) {
  if (taken_)
    throw Error(ErrorKind::invalid,
                std::string("another coroutine ") + what + " this stream at the same time");
  taken_ = true;
}

const std::string& Endpoint::peer() {
  if (!peer_.empty()) return peer_;
  try {
    peer_ = os::peerAddress(fd_.get());
  } catch (const Error&) {
    peer_ = "a peer";
  }
  return peer_;
}

loop::Interest Endpoint::interest() const {
  const bool writable = !writers_.empty();
  if (wantsReadable_) return writable ? loop::Interest::both : loop::Interest::readable;
  return writable ? loop::Interest::writable : loop::Interest::none;
}

void Endpoint::waitOnLoop() {
  wantsReadable_ = wantsReadable_ || !readers_.empty();
  loop::Loop& current = loop::currentLoop();
  if (poll_ && loop_ == current.state()) {
    poll_->want(interest());
    return;
  }
  // The first time; or this is the copy of a forked child, which has a loop of its own.
  poll_.reset();
  loop_ = current.state();
  poll_.emplace(current, fd_.get(), interest(),
                [this](bool readable, bool writable) { ready(readable, writable); });
}

void Endpoint::ready(bool readable, bool writable) {
  const std::shared_ptr<Endpoint> keep = shared_from_this();  // who is woken may let go of it
  // The interest in reading outlasts each wait, since who has read all mostly waits again; it ends where
  // nobody did.
  if (readable) wantsReadable_ = !readers_.empty();
  if (readable) wake(readers_);
  if (writable) wake(writers_);
  if (poll_) poll_->want(interest());
}

// Only those who wait at this moment: who waits again had nothing to do.
void Endpoint::wake(std::vector<Wait*>& queue) {
  for (std::size_t left = queue.size(); left > 0 && !queue.empty(); --left) {
    Wait* const first = queue.front();
    queue.erase(queue.begin());
    first->wake();
  }
}

void NextTurn::await_suspend(std::coroutine_handle<> waiting) {
  waiting_ = std::make_shared<std::coroutine_handle<>>(waiting);
  loop::currentLoop().post([waiting = waiting_] {
    if (*waiting) waiting->resume();
  });
}

NextTurn::~NextTurn() {
  if (waiting_) *waiting_ = nullptr;
}

void Pause::await_suspend(std::coroutine_handle<> waiting) {
  timer_.emplace(loop::currentLoop(), [waiting] { waiting.resume(); });
  timer_->startIn(duration_);
}

}  // namespace troupe::net
