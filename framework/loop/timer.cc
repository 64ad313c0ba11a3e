#include <algorithm>
#include <cstdint>
#include <utility>

#include "loop/loop.h"
#include "loop/state.h"

namespace troupe::loop {
namespace {

constexpr Duration kMillisecond = std::chrono::milliseconds(1);
// As far ahead as a timer looks; longer waits would overflow sums of nanoseconds.
constexpr Duration kFarAway = std::chrono::hours(24 * 365 * 100);

// The full millisecond of libuv's clock at which `left` will be over. Its "now" lags behind, so it is no base
// to add to.
std::uint64_t dueMillisecond(Duration left) {
  const auto now = static_cast<std::int64_t>(uv_hrtime());
  const std::int64_t due = now + std::clamp(left, Duration::zero(), kFarAway).count();
  return static_cast<std::uint64_t>((due + kMillisecond.count() - 1) / kMillisecond.count());
}

}  // namespace

struct Timer::State final : HandleState {
  State(std::shared_ptr<Loop::State> loop, std::function<void()> callback)
      : HandleState(std::move(loop)), callback_(std::move(callback)) {}

  void open(std::shared_ptr<State> self) {
    if (!usable()) return;
    uv_timer_init(&this->loop().uv, &timer_);
    hold(std::move(self));
  }

  void start(Duration left) {
    if (!usable()) return;
    uv_update_time(&loop().uv);
    const std::uint64_t due = dueMillisecond(left);
    const std::uint64_t now = uv_now(&loop().uv);
    startAfter(due > now ? due - now : 0);
  }

  void cancel() {
    if (usable()) uv_timer_stop(&timer_);
  }

 private:
  uv_handle_t* handle() override { return reinterpret_cast<uv_handle_t*>(&timer_); }
  void dropCallback() override { std::exchange(callback_, nullptr); }

  void startAfter(std::uint64_t milliseconds) {
    uv_timer_start(
        &timer_,
        [](uv_timer_t* timer) { static_cast<State*>(static_cast<HandleState*>(timer->data))->fire(); },
        milliseconds, 0);
  }

  void fire() {
    if (failing()) return startAfter(1);
    call(callback_);
  }

  std::function<void()> callback_;
  uv_timer_t timer_ = {};
};

Timer::Timer(Loop& loop, std::function<void()> callback)
    : state_(std::make_shared<State>(loop.state(), std::move(callback))) {
  state_->open(state_);
}

Timer::~Timer() { state_->close(); }

void Timer::startAt(Clock::time_point when) {
  // Asked in this order, the difference cannot overflow.
  const Clock::time_point now = Clock::now();
  state_->start(when <= now ? Duration::zero() : when - now);
}

void Timer::startIn(Duration delay) { state_->start(delay); }

void Timer::cancel() { state_->cancel(); }

}  // namespace troupe::loop
