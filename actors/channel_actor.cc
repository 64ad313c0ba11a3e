#include "actors/channel_actor.h"

#include <troupe/app.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "actors/holding.h"
#include "actors/kept_message.h"

namespace troupe::actors {

namespace {

constexpr unsigned kPlaceOfClaims = 2;
constexpr MessageLog::Number kTheReader = 1;
constexpr std::size_t kMostForAnEnd = 1000;

MessageLog::Limits limitsOf(const ChannelSpec& spec) {
  return {.messages = spec.capacity, .bytes = spec.mostBytes};
}

std::uint64_t recordOfClaim(std::uint64_t number) { return 16 * number + 4 * kPlaceOfClaims; }

const char* nameOf(std::size_t end) { return end == 0 ? "first" : "second"; }

}  // namespace

ChannelActor::ChannelActor(const ChannelSpec& spec, std::uint64_t type)
    : spec_(spec),
      type_(type),
      table_(*this, 2 * MessageLog::tableBytes(limitsOf(spec))),
      ways_{MessageLog(table_, 0, limitsOf(spec), "channel", [this](Instant time) { alarm_.at(time); }),
            MessageLog(table_, 1, limitsOf(spec), "channel", [this](Instant time) { alarm_.at(time); })},
      ends_(*this, "ends"),
      lastClaim_(*this, "last claim"),
      parties_(self(), [this](const Caller& party, const ExitReason&) { onEnded(party); }),
      alarm_(self(), [this] { onTime(); }) {}

// --- What is kept ---

void ChannelActor::load(std::uint64_t record, std::span<const std::byte> bytes) {
  for (unsigned way = 0; way < ways_.size(); ++way) {
    if (MessageLog::isOf(record, way)) return ways_[way].load(record, bytes);
  }
  static_assert(std::is_trivially_copyable_v<Claim>);
  if (bytes.size() != sizeof(Claim))
    throw Error(ErrorKind::invalid, "the records of a channel are of another layout: it must begin anew");
  std::memcpy(&claims_[record / 16], bytes.data(), sizeof(Claim));
}

void ChannelActor::init() {
  table_.forEach([this](std::uint64_t record, std::span<const std::byte> bytes) { load(record, bytes); });
  for (MessageLog& way : ways_) {
    if (way.readers().empty()) way.add(kTheReader, {}, 0, 0);
    way.begin();
  }
  for (const End& end : *ends_) parties_.watch(end.owner);
  for (const auto& [number, claim] : claims_) {
    parties_.watch(claim.owner);
    alarm_.at(claim.deadline);
  }
}

// What the process before could have done, and did not come to.
Task<> ChannelActor::run() {
  settle();
  co_await sleepFor(kForever);
}

void ChannelActor::dropClaim(std::uint64_t number) {
  table_.erase(recordOfClaim(number));
  claims_.erase(number);
}

std::optional<std::size_t> ChannelActor::endOf(const Caller& owner, std::uint64_t ticket) const {
  for (std::size_t end = 0; end < ends_->size(); ++end) {
    const End& each = (*ends_)[end];
    if (each.state == State::owned && each.owner == owner && each.ticket == ticket) return end;
  }
  return {};
}

std::optional<std::size_t> ChannelActor::endOrRefuse(std::uint64_t ticket, auto& out) const {
  const auto end = endOf(caller(), ticket);
  if (!end) out.refuse("the caller does not have that end of the channel: it has closed it");
  return end;
}

// --- What it is asked ---

void ChannelActor::claim(ClaimParams in, ClaimResults out) {
  if (in.getType() != type_) return out.refuse(otherType("channel"));
  const std::size_t end = in.getEnd();
  if (end >= ends_->size()) return out.refuse("a channel has no end " + std::to_string(end));
  const End before = (*ends_)[end];
  if (before.state == State::owned && before.owner == caller())
    return out.refuse(std::string("the caller has the ") + nameOf(end) + " end of the channel already");
  // Its successor may come before its end is told.
  if (before.state == State::owned && before.owner.actor == caller().actor) leave(end, false);
  const Claim claim{.owner = caller(),
                    .ticket = in.getTicket(),
                    .deadline = instantIn(in.getWait()),
                    .end = end,
                    .call = out.later()};
  parties_.watch(claim.owner);
  settle();
  if ((*ends_)[end].state == State::free) {
    grant(claim);
  } else if (in.getWait() == 0 || claims_.size() >= kMostForAnEnd) {
    claim.call.answer();
  } else {
    const std::uint64_t number = ++lastClaim_.change();
    table_.put(recordOfClaim(number), std::as_bytes(std::span(&claim, 1)));
    claims_[number] = claim;
    alarm_.at(claim.deadline);
  }
}

void ChannelActor::send(SendParams in, SendResults out) {
  const auto end = endOrRefuse(in.getTicket(), out);
  if (!end) return;
  if ((*ends_)[1 - *end].state == State::gone)
    return out.refuse("the other end of the channel has gone: nobody will receive it");
  if (from(*end).closed()) return out.refuse("this end of the channel has finished sending");
  from(*end).write(in.getValue(), caller(), in.getWait(), out);
}

void ChannelActor::read(ReadParams in, ReadResults out) {
  if (const auto end = endOrRefuse(in.getTicket(), out))
    to(*end).read(kTheReader, in.getAfter(), in.getMost(), in.getWait(), out);
}

void ChannelActor::finish(FinishParams in, FinishResults out) {
  const auto end = endOrRefuse(in.getTicket(), out);
  if (!end) return;
  from(*end).close();
  serve();
}

void ChannelActor::close(CloseParams in, CloseResults) {
  const auto end = endOf(caller(), in.getTicket());
  if (!end) return;
  leave(*end, true);
  settle();
}

void ChannelActor::letGo(LetGoParams in) {
  if (const auto end = endOf(caller(), in.getTicket())) {
    leave(*end, false);
    return settle();
  }
  std::erase_if(claims_, [&](const auto& each) {
    return each.second.owner == caller() && each.second.ticket == in.getTicket() &&
           table_.erase(recordOfClaim(each.first));
  });
}

void ChannelActor::tell(std::size_t end, ChannelProtocol::End::Builder status) {
  status.setOwned((*ends_)[end].state == State::owned);
  status.setGone((*ends_)[end].state == State::gone);
  status.setClaiming(static_cast<std::uint64_t>(std::count_if(
      claims_.begin(), claims_.end(), [&](const auto& each) { return each.second.end == end; })));
  status.setUnread(to(end).size());
  status.setReading(to(end).waitingReaders() > 0);
  status.setSending(from(end).writers().size());
}

void ChannelActor::status(StatusParams, StatusResults out) {
  tell(0, out.initFirst());
  tell(1, out.initSecond());
}

// --- What follows from that ---

// Its owner does not have it any more.
void ChannelActor::leave(std::size_t end, bool forGood) {
  const bool gone = forGood || spec_.onDeath == OnDeath::endOfStream;
  if (forGood) {
    // Its owner lives, and may wait.
    from(end).refuseWriters("this end of the channel has been closed");
    to(end).refuseReader(kTheReader, "this end of the channel has been closed");
  }
  from(end).dropWritersOf((*ends_)[end].owner);
  to(end).pass(kTheReader, {}, 0);
  if (gone) {
    from(end).close();
    to(end).refuseWriters("the other end of the channel has gone: nobody will receive it");
    to(end).clear();
  }
  ends_.change()[end] = {.state = gone ? State::gone : State::free};
}

void ChannelActor::grant(const Claim& claim) {
  ends_.change()[claim.end] = {.owner = claim.owner, .ticket = claim.ticket, .state = State::owned};
  MessageLog& reads = to(claim.end);
  reads.pass(kTheReader, claim.owner, claim.ticket);
  claim.call.answer([&](ChannelProtocol::ClaimResults::Builder results) {
    results.setGranted(true);
    results.setAfter(reads.readers().at(kTheReader).after);
  });
}

// Begins anew where both ends have gone, and gives ends that are free to those who wait for them.
void ChannelActor::settle() {
  const auto hasGone = [](const End& end) { return end.state == State::gone; };
  if (std::all_of(ends_->begin(), ends_->end(), hasGone)) {
    for (MessageLog& way : ways_) way.clear();
    ends_ = Ends{};
  }
  for (const auto& [number, claim] : std::map(claims_)) {
    if ((*ends_)[claim.end].state != State::free) continue;
    dropClaim(number);
    grant(claim);
  }
  serve();
}

void ChannelActor::serve() {
  for (MessageLog& way : ways_) way.serve();
}

void ChannelActor::onEnded(const Caller& party) {
  std::vector<std::uint64_t> its;
  for (const auto& [number, claim] : claims_) {
    if (claim.owner == party) its.push_back(number);
  }
  for (const std::uint64_t number : its) dropClaim(number);
  for (std::size_t end = 0; end < ends_->size(); ++end) {
    if ((*ends_)[end].state == State::owned && (*ends_)[end].owner == party) leave(end, false);
  }
  settle();
}

void ChannelActor::onTime() {
  const Instant time = now();
  for (const auto& [number, claim] : std::map(claims_)) {
    if (claim.deadline > time) {
      alarm_.at(claim.deadline);
      continue;
    }
    dropClaim(number);
    claim.call.answer();
  }
  for (MessageLog& way : ways_) way.onTime();
}

}  // namespace troupe::actors

namespace troupe::detail {

void declareChannel(Group& group, std::string id, const ChannelSpec& spec, std::uint64_t type) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorKind::invalid, "the channel \"" + id + "\": " + why);
  };
  if (spec.capacity == 0) refuse("a capacity of 0 messages, and at least 1 is needed");
  if (spec.mostBytes == 0 || spec.mostBytes > KeptTable::kMostBytes / 8)
    refuse("room for " + std::to_string(spec.mostBytes) + " bytes, and it has some, and at most " +
           std::to_string(KeptTable::kMostBytes / 8));
  group.child<actors::ChannelActor>(std::move(id), actors::mayAnswer(spec.child, spec.mostBytes), spec, type);
}

}  // namespace troupe::detail
