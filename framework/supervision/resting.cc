#include "supervision/resting.h"

#include <algorithm>
#include <utility>

namespace troupe::supervision {

Resting::Resting(loop::Loop& loop) : timer_(loop, [this] { endLate(); }) {}

void Resting::add(std::unique_ptr<Child> process) {
  if (closed_) return dying_.end(std::move(process));
  if (resting_.empty()) timer_.startIn(kRestAtMost);
  resting_.push_back({std::move(process), loop::Clock::now() + kRestAtMost});
  if (resting_.size() > kMostResting) endFirst();
}

std::unique_ptr<Child> Resting::take(const Child& like) {
  const auto one = std::find_if(resting_.rbegin(), resting_.rend(), [&](const Rest& each) {
    const Child& process = *each.process;
    // Nobody has reaped it yet, but the kernel may have ended it.
    return process.blueprint == like.blueprint && isMadeLike(process.spec, like.spec) && !process.reaped &&
           !process.lane->closed() && !os::hasEnded(process.pid);
  });
  if (one == resting_.rend()) return nullptr;
  std::unique_ptr<Child> taken = std::move(one->process);
  resting_.erase(std::next(one).base());
  taken->part = Part::current;
  return taken;
}

void Resting::ended(const Child& process) {
  if (dying_.ended(process)) return;
  std::erase_if(resting_, [&](const Rest& each) { return each.process.get() == &process; });
}

void Resting::close() {
  closed_ = true;
  timer_.cancel();
  while (!resting_.empty()) endFirst();
}

void Resting::endFirst() {
  dying_.end(std::move(resting_.front().process));
  resting_.pop_front();
}

// Those that go on waiting are looked at again when the first of them has waited long enough.
void Resting::endLate() {
  const auto now = loop::Clock::now();
  while (!resting_.empty() && resting_.front().until <= now) endFirst();
  if (!resting_.empty()) timer_.startAt(resting_.front().until);
}

}  // namespace troupe::supervision
