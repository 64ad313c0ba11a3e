#include "actors/lock_keeper.h"

#include <cstring>

namespace troupe::actors {

namespace {

constexpr Claims::Number kNoteRecord = 0;  // a byte, and its text
// As many as can be answered in one turn.
constexpr std::size_t kMostClaims = 5'000;

}  // namespace

LockKeeper::LockKeeper(ActorBase& actor, Self self)
    : self_(self),
      table_(actor),
      claims_({.claim =
                   [this](Claims::Number number, const Claim* claim) {
                     if (claim == nullptr) {
                       table_.erase(number);
                     } else {
                       table_.put(number, std::as_bytes(std::span(claim, 1)));
                     }
                   },
               .note =
                   [this](const Claims::Note& note) {
                     const std::string bytes = (note.flag ? '1' : '0') + note.text;
                     table_.put(kNoteRecord, std::as_bytes(std::span(bytes)));
                   }}),
      parties_(self,
               [this](const Caller& party, const ExitReason& reason) {
                 rules_->ended(party, reason);
                 serve();
               }),
      alarm_(self, [this] { serve(); }) {}

void LockKeeper::load(Claims::Number number, std::span<const std::byte> bytes) {
  if (number == kNoteRecord) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return claims_.restore({.flag = text.starts_with('1'), .text = std::string(text.substr(1))});
  }
  static_assert(std::is_trivially_copyable_v<Claim>);
  if (bytes.size() != sizeof(Claim))
    throw Error(ErrorKind::invalid, "the claims that were kept are of another layout: it must begin anew");
  Claim claim;
  std::memcpy(&claim, bytes.data(), sizeof claim);
  claims_.restore(number, claim);
  parties_.watch(claim.owner);
}

void LockKeeper::begin(LockRules& rules) {
  rules_ = &rules;
  table_.forEach([this](std::uint64_t number, std::span<const std::byte> bytes) { load(number, bytes); });
}

// What the process before could have done, and did not come to.
Task<> LockKeeper::run() {
  serve();
  co_await self_.sleepFor(kForever);
}

LockRules::Refusal LockKeeper::refuses(const Caller& owner, std::uint64_t ticket) const {
  if (ticket == 0 || claims_.find(owner, ticket))
    return "the ticket " + std::to_string(ticket) + " is not a new one of the caller's";
  if (claims_.size() >= kMostClaims)
    return std::to_string(claims_.size()) + " wait or hold already, which is the most";
  return {};
}

void LockKeeper::add(const Claim& claim) {
  parties_.watch(claim.owner);
  claims_.add(claim);
}

void LockKeeper::serve() {
  while (const auto next = rules_->next(now())) {
    next->claim.call.answer([&](LockAnswer::Builder answer) {
      answer.setOutcome(next->outcome);
      answer.setAbandoned(next->abandoned);
      answer.setPlace(next->place);
      if (!next->why.empty()) answer.setWhy(next->why);
    });
  }
  alarm_.at(claims_.nextDeadline());
}

void LockKeeper::letGo(const Caller& owner, std::uint64_t ticket, bool unseen) {
  rules_->letGo(owner, ticket, unseen);
  serve();
}

void LockKeeper::tell(WaitProtocol::StatusResults::Builder status) const {
  status.setWaiting(claims_.in(Claim::State::waiting).size());
  status.setHeld(claims_.counted(Claim::State::holding));
  status.setAsleep(claims_.in(Claim::State::asleep).size());
  status.setParties(claims_.in(Claim::State::party).size());
  status.setFlag(claims_.note().flag);
}

}  // namespace troupe::actors
