#include "actors/claims.h"

namespace troupe::actors {

void Claims::insert(Number number, const Claim& claim) {
  all_[number] = claim;
  tickets_[{claim.owner, claim.ticket}] = number;
  if (claim.deadline != kNever) deadlines_.emplace(claim.deadline, number);
  OfState& of = states_[static_cast<std::size_t>(claim.state)];
  of.numbers.insert(number);
  of.counted += claim.count;
}

Claim Claims::remove(Number number) {
  const auto found = all_.find(number);
  const Claim claim = found->second;
  all_.erase(found);
  tickets_.erase({claim.owner, claim.ticket});
  deadlines_.erase({claim.deadline, number});
  OfState& of = states_[static_cast<std::size_t>(claim.state)];
  of.numbers.erase(number);
  of.counted -= claim.count;
  return claim;
}

Claims::Number Claims::add(const Claim& claim) {
  const Number number = all_.empty() ? 1 : all_.rbegin()->first + 1;
  keeping_.claim(number, &claim);
  insert(number, claim);
  return number;
}

void Claims::change(Number number, const Claim& claim) {
  keeping_.claim(number, &claim);
  remove(number);
  insert(number, claim);
}

Claim Claims::take(Number number) {
  keeping_.claim(number, nullptr);
  return remove(number);
}

std::optional<Claims::Number> Claims::find(const Caller& owner, std::uint64_t ticket) const {
  const auto found = tickets_.find({owner, ticket});
  if (found == tickets_.end()) return {};
  return found->second;
}

std::vector<Claims::Number> Claims::of(const Caller& owner) const {
  std::vector<Number> numbers;
  for (auto at = tickets_.lower_bound({owner, 0}); at != tickets_.end() && at->first.first == owner; ++at)
    numbers.push_back(at->second);
  return numbers;
}

std::optional<Claims::Number> Claims::last(const Caller& owner, State state) const {
  std::optional<Number> found;
  for (const Number number : of(owner)) {
    if (at(number).state == state) found = number;
  }
  return found;
}

std::optional<Claims::Number> Claims::late(Instant now) const {
  if (nextDeadline() > now || nextDeadline() == kNever) return {};
  return deadlines_.begin()->second;
}

void Claims::note(Note note) {
  keeping_.note(note);
  note_ = std::move(note);
}

}  // namespace troupe::actors
