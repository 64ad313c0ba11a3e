#include "supervision/resting.h"

#include <algorithm>
#include <utility>

namespace troupe::supervision {

Resting::Resting(loop::Loop& loop) : timer_(loop, [this] { endLate(); }) {}

void Resting::add(std::unique_ptr<Child> process) {
  if (closed_) return dying_.end(std::move(process));
  if (resting_.empty()) timer_.startIn(kRestAtMost);
  resting_.push_back({.process = std::move(process), .until = loop::Clock::now() + kRestAtMost});
  if (resting_.size() > kMostResting) end(resting_.begin());
}

bool Resting::isFit(const Rest& rest, const Child& like) {
  const Child& process = *rest.process;
  // Nobody has reaped it yet, but the kernel may have ended it.
  return process.blueprint == like.blueprint && isMadeLike(process.spec, like.spec) && !process.reaped &&
         !process.lane->closed() && !os::hasEnded(process.pid);
}

Resting::Rests::iterator Resting::find(const Child& like, std::optional<ChildKey> reservedFor) {
  const auto one = std::find_if(resting_.rbegin(), resting_.rend(), [&](const Rest& each) {
    return each.reservedFor == reservedFor && isFit(each, like);
  });
  return one == resting_.rend() ? resting_.end() : std::prev(one.base());
}

const Child* Resting::reserve(const Child& like) {
  const auto one = std::find_if(resting_.rbegin(), resting_.rend(), [&](const Rest& each) {
    return !each.reservedFor && each.process->keepsEnds && isFit(each, like);
  });
  if (one == resting_.rend()) return nullptr;
  one->reservedFor = like.key;
  return one->process.get();
}

std::unique_ptr<Child> Resting::take(const Child& like, bool onlyReserved) {
  auto one = find(like, like.key);
  if (one == resting_.end() && !onlyReserved) one = find(like, std::nullopt);
  if (one == resting_.end()) return nullptr;
  std::unique_ptr<Child> taken = std::move(one->process);
  resting_.erase(one);
  taken->part = Part::current;
  return taken;
}

void Resting::giveUp(ChildKey key) {
  end(std::ranges::find_if(resting_, [key](const Rest& each) { return each.reservedFor == key; }));
}

void Resting::dropEnds(wire::ActorId actor) {
  end(std::ranges::find_if(resting_, [actor](const Rest& each) {
    return each.process->keepsEnds && each.process->actor == actor;
  }));
}

void Resting::ended(const Child& process) {
  if (dying_.ended(process)) return;
  std::erase_if(resting_, [&](const Rest& each) { return each.process.get() == &process; });
}

void Resting::close() {
  closed_ = true;
  timer_.cancel();
  while (!resting_.empty()) end(resting_.begin());
}

void Resting::end(Rests::iterator rest) {
  if (rest == resting_.end()) return;
  dying_.end(std::move(rest->process));
  resting_.erase(rest);
}

// Those that go on waiting are looked at again when the first of them has waited long enough.
void Resting::endLate() {
  const auto now = loop::Clock::now();
  while (!resting_.empty() && resting_.front().until <= now) end(resting_.begin());
  if (!resting_.empty()) timer_.startAt(resting_.front().until);
}

}  // namespace troupe::supervision
