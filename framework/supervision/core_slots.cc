#include "supervision/core_slots.h"

#include <charconv>
#include <utility>

namespace troupe::supervision {
namespace {

bool hasProcessIn(SlotPhase phase) {
  return phase == SlotPhase::starting || phase == SlotPhase::ignoring || phase == SlotPhase::running ||
         phase == SlotPhase::stopping;
}

// "connection:7" gives "connection" and 7; 0 where it is no instance's name.
std::pair<std::string, std::uint64_t> splitInstance(const std::string& name) {
  const auto colon = name.rfind(':');
  if (colon == std::string::npos) return {name, 0};
  std::uint64_t number = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + colon + 1, end, number);
  const std::string id = name.substr(0, colon);
  // One name for one instance: "a:07" is none.
  const bool good = error == std::errc() && stop == end && instanceId(id, number) == name;
  return {id, good ? number : 0};
}

ChildInfo infoOf(const Slot& slot) {
  return {.id = slot.name(),
          .key = slot.key,
          .incarnation = slot.incarnation,
          .state = slot.state(),
          .isSupervisor = slot.isSupervisor,
          .isInstance = slot.instance != 0,
          .significant = slot.spec->significant,
          .restart = slot.spec->restart};
}

}  // namespace

bool Slot::hasProcess() const { return hasProcessIn(phase); }

ChildState Slot::state() const {
  const ChildState coming = attempt == Attempt::restart ? ChildState::restarting : ChildState::starting;
  switch (phase) {
    case SlotPhase::stopped: return ChildState::stopped;
    case SlotPhase::queued:
    case SlotPhase::starting:
    case SlotPhase::ignoring: return coming;
    case SlotPhase::running: return ChildState::running;
    case SlotPhase::waiting: return ChildState::restarting;
    case SlotPhase::stopping: return ChildState::stopping;
  }
  return ChildState::stopped;
}

Slot& Slots::add(const ChildDeclaration& child, bool byHand) {
  Slot& slot = slots_[++lastKey_];
  slot.key = lastKey_;
  slot.id = child.id;
  slot.spec = std::make_shared<const ChildSpec>(child.spec);
  slot.isSupervisor = child.isSupervisor;
  slot.byHand = byHand;
  slot.rank = ++lastRank_;
  if (child.isTemplate) slot.instances = std::make_unique<Instances>();
  order_.emplace(slot.rank, slot.key);
  ids_.emplace(slot.id, slot.key);
  ++counts_.specs;
  if (!slot.isTemplate()) ++kindCount(slot);
  return slot;
}

Slot& Slots::addInstance(Slot& ofTemplate) {
  Slot& slot = slots_[++lastKey_];
  slot.key = lastKey_;
  slot.id = ofTemplate.id;
  slot.spec = ofTemplate.spec;
  slot.isSupervisor = ofTemplate.isSupervisor;
  slot.instance = ofTemplate.instances->next++;
  slot.templateKey = ofTemplate.key;
  slot.rank = ofTemplate.rank;
  ofTemplate.instances->byNumber.emplace(slot.instance, slot.key);
  ++kindCount(slot);
  return slot;
}

void Slots::remove(Slot& slot) {
  enter(slot, SlotPhase::stopped);
  if (!slot.isTemplate()) --kindCount(slot);
  if (slot.instance != 0) {
    find(slot.templateKey)->instances->byNumber.erase(slot.instance);
  } else {
    --counts_.specs;
    order_.erase(slot.rank);
    ids_.erase(slot.id);
  }
  slots_.erase(slot.key);
}

Slot* Slots::find(ChildKey key) {
  const auto it = slots_.find(key);
  return it == slots_.end() ? nullptr : &it->second;
}

const Slot* Slots::find(ChildKey key) const { return const_cast<Slots*>(this)->find(key); }

Slot* Slots::find(const std::string& name) {
  const auto [id, number] = splitInstance(name);
  const auto it = ids_.find(number == 0 ? name : id);
  if (it == ids_.end()) return nullptr;
  Slot* slot = find(it->second);
  if (number == 0 || !slot->isTemplate()) return number == 0 ? slot : nullptr;
  const auto instance = slot->instances->byNumber.find(number);
  return instance == slot->instances->byNumber.end() ? nullptr : find(instance->second);
}

bool Slots::wasInstance(const std::string& name) {
  const auto [id, number] = splitInstance(name);
  const Slot* slot = number == 0 ? nullptr : find(id);
  return slot != nullptr && slot->isTemplate() && number < slot->instances->next;
}

void Slots::enter(Slot& slot, SlotPhase phase) {
  count(slot, false);
  slot.phase = phase;
  count(slot, true);
}

void Slots::count(const Slot& slot, bool in) {
  const auto adjust = [in](std::size_t& counter) { in ? ++counter : --counter; };
  if (slot.phase == SlotPhase::running) adjust(counts_.active);
  if (slot.instance != 0 && slot.hasProcess()) adjust(find(slot.templateKey)->instances->live);
  const bool alive = slot.phase != SlotPhase::stopped && slot.phase != SlotPhase::stopping;
  if (alive && slot.spec->significant) adjust(significantAlive_);
}

Slot* Slots::lastIn(Rank from, Rank below) {
  auto it = order_.lower_bound(below);
  if (it == order_.begin()) return nullptr;
  --it;
  return it->first < from ? nullptr : find(it->second);
}

Slot* Slots::firstFrom(Rank from) {
  const auto it = order_.lower_bound(from);
  return it == order_.end() ? nullptr : find(it->second);
}

void Slots::moveToEnd(Slot& slot) {
  order_.erase(slot.rank);
  slot.rank = ++lastRank_;
  order_.emplace(slot.rank, slot.key);
  if (!slot.isTemplate()) return;
  for (const ChildKey key : instancesOf(slot)) find(key)->rank = slot.rank;
}

void Slots::replaceSpec(Slot& slot, const ChildDeclaration& child) {
  count(slot, false);
  if (!slot.isTemplate()) --kindCount(slot);
  slot.spec = std::make_shared<const ChildSpec>(child.spec);
  slot.isSupervisor = child.isSupervisor;
  if (!slot.isTemplate()) ++kindCount(slot);
  count(slot, true);
  if (!slot.isTemplate()) return;
  for (const ChildKey key : instancesOf(slot)) {
    Slot& instance = *find(key);
    --kindCount(instance);
    instance.spec = slot.spec;
    instance.isSupervisor = slot.isSupervisor;
    ++kindCount(instance);
  }
}

std::vector<ChildKey> Slots::instancesOf(const Slot& ofTemplate) const {
  std::vector<ChildKey> keys;
  keys.reserve(ofTemplate.instances->byNumber.size());
  for (const auto& [number, key] : ofTemplate.instances->byNumber) keys.push_back(key);
  return keys;
}

ChildList Slots::list() const {
  ChildList list;
  list.reserve(slots_.size());
  for (const auto& [rank, key] : order_) {
    const Slot& slot = *find(key);
    if (!slot.isTemplate()) {
      list.push_back(infoOf(slot));
      continue;
    }
    for (const ChildKey instance : instancesOf(slot)) list.push_back(infoOf(*find(instance)));
  }
  return list;
}

}  // namespace troupe::supervision
