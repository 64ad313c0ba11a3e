#include "supervision/spares.h"

#include <algorithm>
#include <csignal>
#include <utility>

namespace troupe::supervision {

namespace {

constexpr Duration kPace = std::chrono::milliseconds(20);
constexpr Duration kSlowest = std::chrono::seconds(5);
// A start that takes longer than this gains nothing from the fork that was done meanwhile.
constexpr Duration kAheadAtMost = std::chrono::seconds(5);

}  // namespace

Spares::Spares(loop::Loop& loop, std::function<bool(Child&)> launch)
    : loop_(loop), launch_(std::move(launch)) {}

void Spares::provide(SparePlace place, const Child& child) {
  if (closed_) return;
  Group& group = groups_[place];
  group.key = child.key;
  group.path = child.path;
  group.spec = child.spec;
  endUseless(group);
  group.blueprint = child.blueprint;
  if (group.pace == Duration::zero()) group.pace = kPace;
  makeSoon(group);
}

// Those that a change of the spec has left over.
void Spares::endUseless(Group& group) {
  auto spares = std::exchange(group.spares, {});
  for (std::unique_ptr<Child>& spare : spares) {
    const bool fits = isMadeLike(spare->spec, group.spec);
    if (fits && group.spares.size() < group.spec.spares) {
      group.spares.push_back(std::move(spare));
    } else {
      dying_.end(std::move(spare));
    }
  }
}

void Spares::makeSoon(Group& group) {
  if (group.spares.size() >= group.spec.spares) return;
  const auto now = loop::Clock::now();
  if (!group.timer) group.timer = std::make_unique<loop::Timer>(loop_, [this, &group] { makeOne(group); });
  if (!std::exchange(group.waits, true)) {
    group.at = nextFree_;
    nextFree_ = std::max(nextFree_, now + group.pace) + kPace;
  }
  group.at = std::max(group.at, now + group.pace);
  group.timer->startIn(group.at - now);
}

void Spares::makeOne(Group& group) {
  group.waits = false;
  if (group.spares.size() >= group.spec.spares) return;
  auto spare = std::make_unique<Child>();
  spare->key = group.key;
  spare->path = group.path;
  spare->spec = group.spec;
  spare->blueprint = group.blueprint;
  spare->part = Part::spare;
  if (launch_(*spare)) {
    if (spare->spec.readyWithin != kForever) {
      spare->watchdog =
          std::make_unique<loop::Timer>(loop_, [pid = spare->pid] { os::sendSignal(pid, SIGKILL); });
      spare->watchdog->startIn(spare->spec.readyWithin);
    }
    group.spares.push_back(std::move(spare));
  } else {
    group.pace = std::min(2 * group.pace, kSlowest);
  }
  makeSoon(group);
}

void Spares::makeAhead(SparePlace place, std::unique_ptr<Child> spare) {
  if (closed_) return;
  Group& group = groups_[place];
  if (!group.spares.empty() || !launch_(*spare)) return;
  Child* const made = spare.get();
  spare->watchdog = std::make_unique<loop::Timer>(loop_, [this, &group, made] {
    const auto one = std::ranges::find_if(group.spares, is(*made));
    std::unique_ptr<Child> late = std::move(*one);
    group.spares.erase(one);
    dying_.end(std::move(late));
    makeSoon(group);
  });
  spare->watchdog->startIn(kAheadAtMost);
  group.spares.push_back(std::move(spare));
}

void Spares::prepared(Child& spare) {
  spare.ready = true;
  if (!spare.ahead) spare.watchdog.reset();
}

std::unique_ptr<Child> Spares::take(SparePlace place, const ChildSpec& spec) {
  const auto found = groups_.find(place);
  if (found == groups_.end()) return nullptr;
  Group& group = found->second;
  const auto one = std::ranges::find_if(group.spares, [&](const std::unique_ptr<Child>& spare) {
    const bool wanted = spare->ahead || (spare->ready && spec.spares > 0);
    // Nobody has reaped it yet, but the kernel may have ended it.
    return wanted && !spare->lane->closed() && !os::hasEnded(spare->pid) && isMadeLike(spare->spec, spec);
  });
  if (one == group.spares.end()) return nullptr;
  std::unique_ptr<Child> taken = std::move(*one);
  group.spares.erase(one);
  group.pace = kPace;
  taken->ready = false;
  taken->watchdog.reset();
  taken->part = Part::current;
  return taken;
}

void Spares::ended(const Child& spare) {
  if (dying_.ended(spare)) return;
  for (auto& [place, group] : groups_) {
    if (std::erase_if(group.spares, is(spare)) == 0) continue;
    group.pace = std::min(2 * group.pace, kSlowest);
    return makeSoon(group);
  }
}

void Spares::endAll(Group& group) {
  for (std::unique_ptr<Child>& spare : std::exchange(group.spares, {})) dying_.end(std::move(spare));
}

void Spares::drop(SparePlace place) {
  const auto found = groups_.find(place);
  if (found == groups_.end()) return;
  endAll(found->second);
  groups_.erase(found);
}

void Spares::close() {
  closed_ = true;
  for (auto& [place, group] : groups_) endAll(group);
  groups_.clear();
}

}  // namespace troupe::supervision
