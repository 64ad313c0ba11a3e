#include "actors/message_log.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "actors/holding.h"
#include "actors/kept_message.h"

namespace troupe::actors {

namespace {

constexpr std::size_t kBytesOfMessage = 32;  // beside its content
constexpr std::size_t kMostWriters = 5'000;
// At a time, so that it fits what a turn may hold back, and others have their turn.
constexpr unsigned kAdmittedAtOnce = 1000;
constexpr unsigned kReadersToldAtOnce = 64;
constexpr std::size_t kBytesToldAtOnce = 128u << 10;
// In one answer, where it has more than one message.
constexpr std::size_t kMostBytesOfPortion = 64u << 10;
// Until somebody has read large answers, for which there is no memory before.
constexpr Instant kPause = 20'000'000;

template <class T>
T keptAs(std::span<const std::byte> bytes, const std::string& what) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (bytes.size() != sizeof(T))
    throw Error(ErrorKind::invalid,
                "the records of a " + what + " are of another layout: it must begin anew");
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

}  // namespace

// --- What is kept ---

template <class T>
void MessageLog::keep(std::uint64_t record, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  table_.put(record, std::as_bytes(std::span(&value, 1)));
}

void MessageLog::keepMeta() { keep(record(0, message), meta_); }

void MessageLog::load(std::uint64_t record, std::span<const std::byte> bytes) {
  const Number number = record / 16;
  switch (record % 4) {
    case message:
      if (number == 0) {
        meta_ = keptAs<Meta>(bytes, what_);
      } else {
        sizes_.push_back(bytes.size());
        bytes_ += bytes.size() + kBytesOfMessage;
      }
      return;
    case writer: writers_[number] = keptAs<Writer>(bytes, what_); return;
    case content: writing_ += bytes.size() + kBytesOfMessage; return;
    default: return note(number, keptAs<Reader>(bytes, what_));
  }
}

void MessageLog::begin() {
  for (const auto& [number, each] : writers_) again_(each.deadline);
  for (const auto& [number, each] : readers_) again_(each.deadline);
  news_ = true;
}

void MessageLog::unnote(Number number) {
  const auto found = readers_.find(number);
  if (found == readers_.end()) return;
  afters_.erase(afters_.find(found->second.after));
  waiting_.erase(number);
  readers_.erase(found);
}

void MessageLog::note(Number number, const Reader& reader) {
  unnote(number);
  readers_[number] = reader;
  afters_.insert(reader.after);
  if (reader.waits != 0) waiting_.insert(number);
}

void MessageLog::save(Number number, const Reader& of) {
  keep(record(number, reader), of);
  note(number, of);
}

void MessageLog::forgetWriter(Number number) {
  writing_ -= table_.find(record(number, content))->size() + kBytesOfMessage;
  table_.erase(record(number, writer));
  table_.erase(record(number, content));
  writers_.erase(number);
}

// --- Room ---

bool MessageLog::fits(std::size_t bytes) const {
  return sizes_.size() < limits_.messages && bytes_ + bytes + kBytesOfMessage <= limits_.bytes;
}

bool MessageLog::makeRoom(std::size_t bytes) {
  while (!fits(bytes)) {
    if (sizes_.empty() || (limits_.slow == Slow::block && !allHave(oldest()))) return false;
    dropOldest();
  }
  return true;
}

void MessageLog::dropOldest() {
  table_.erase(record(oldest(), message));
  bytes_ -= sizes_.front() + kBytesOfMessage;
  sizes_.pop_front();
}

void MessageLog::trim() {
  while (sizes_.size() > limits_.history && allHave(oldest())) dropOldest();
}

void MessageLog::append(std::span<const std::byte> bytes) {
  ++meta_.last;
  keepMeta();
  table_.put(record(meta_.last, message), bytes);
  sizes_.push_back(bytes.size());
  bytes_ += bytes.size() + kBytesOfMessage;
  news_ = true;
  trim();
}

// --- Who writes ---

bool MessageLog::write(capnp::AnyPointer::Reader value, const Caller& from, std::int64_t wait,
                       Results<WriteAnswer>& out) {
  const GivenValue given(value, what_);
  if (!given.refused().empty()) {
    out.refuse(given.refused());
    return false;
  }
  const auto bytes = given.bytes();
  if (bytes.size() + kBytesOfMessage > limits_.bytes) {
    out.refuse(noRoom(bytes.size(), 0, limits_.bytes));
    return false;
  }
  if (writers_.empty() && makeRoom(bytes.size())) {
    append(bytes);
    out.setNumber(meta_.last);
    serve();
    return false;
  }
  if (wait == 0) return false;
  if (writing_ + bytes.size() + kBytesOfMessage > limits_.bytes || writers_.size() >= kMostWriters) {
    out.refuse("no room for " + std::to_string(bytes.size()) + " bytes: " + std::to_string(writers_.size()) +
               " others wait for room already, with " + std::to_string(writing_) + " bytes");
    return false;
  }
  const Number number = ++meta_.lastWriter;
  const Writer waits{.owner = from, .deadline = instantIn(wait), .call = out.later()};
  keepMeta();
  keep(record(number, writer), waits);
  table_.put(record(number, content), bytes);
  writers_[number] = waits;
  writing_ += bytes.size() + kBytesOfMessage;
  again_(waits.deadline);
  return true;
}

bool MessageLog::admitWriters() {
  for (unsigned admitted = 0; !writers_.empty(); ++admitted) {
    const auto [number, first] = *writers_.begin();
    const auto kept = *table_.find(record(number, content));
    const std::vector<std::byte> bytes(kept.begin(), kept.end());
    if (!makeRoom(bytes.size())) return true;
    if (admitted == kAdmittedAtOnce) return false;
    forgetWriter(number);
    append(bytes);
    first.call.answer([&](WriteAnswer::Builder answer) { answer.setNumber(meta_.last); });
  }
  return true;
}

void MessageLog::dropWritersOf(const Caller& owner) {
  for (const auto& [number, each] : std::map(writers_)) {
    if (each.owner == owner) forgetWriter(number);
  }
  news_ = true;
}

void MessageLog::refuseWriters(const std::string& why) {
  for (const auto& [number, each] : std::map(writers_)) {
    forgetWriter(number);
    each.call.refuse(why);
  }
}

void MessageLog::refuseReader(Number number, const std::string& why) {
  const Reader& has = readers_.at(number);
  if (has.waits != 0) has.call.refuse(why);
}

void MessageLog::close() {
  meta_.closed = 1;
  keepMeta();
  news_ = true;
}

void MessageLog::clear() {
  while (!sizes_.empty()) dropOldest();
  meta_.closed = 0;
  keepMeta();
  for (const auto& [number, each] : std::map(readers_)) {
    Reader has = each;
    has.after = has.given = meta_.last;
    save(number, has);
  }
}

// --- Who reads ---

void MessageLog::add(Number number, const Caller& owner, std::uint64_t ticket, Number after) {
  save(number, {.owner = owner, .ticket = ticket, .after = after, .given = after, .begun = oldest()});
}

void MessageLog::remove(Number number) {
  table_.erase(record(number, reader));
  unnote(number);
  trim();
}

void MessageLog::pass(Number number, const Caller& owner, std::uint64_t ticket) {
  Reader has = readers_.at(number);
  has.owner = owner;
  has.ticket = ticket;
  has.waits = 0;
  has.deadline = kNever;
  save(number, has);
}

void MessageLog::read(Number number, Number after, std::uint32_t most, std::int64_t wait,
                      Results<ReadAnswer>& out) {
  Reader asks = readers_.at(number);
  if (after > asks.given)
    return out.refuse("message " + std::to_string(after) + " of the " + what_ +
                      " is not the caller's: it was given those up to " + std::to_string(asks.given));
  asks.after = std::max(asks.after, after);
  asks.most = std::max(most, 1U);
  asks.deadline = instantIn(wait);
  asks.waits = 1;
  asks.call = out.later();
  save(number, asks);
  trim();
  // It comes first, since it may not wait.
  if (!give(number)) {
    if (wait == 0) {
      answerNothing(number);
    } else {
      again_(asks.deadline);
    }
  }
  serve();
}

MessageLog::Portion MessageLog::portionFor(const Reader& reader) const {
  using Outcome = ReadAnswer::Outcome;
  Portion portion;
  portion.first = portion.end = std::max(reader.after + 1, oldest());
  portion.missed = portion.first - reader.after - 1;
  if (portion.missed > 0 && portion.first > reader.begun && limits_.slow == Slow::disconnect) {
    portion.outcome = Outcome::BEHIND;
    return portion;
  }
  if (portion.first > meta_.last) {
    if (closed() && writers_.empty()) portion.outcome = Outcome::ENDED;
    return portion;
  }
  portion.outcome = Outcome::MESSAGES;
  for (; portion.end <= meta_.last && portion.end - portion.first < reader.most; ++portion.end) {
    const std::size_t bytes = sizes_[portion.end - oldest()] + kBytesOfMessage;
    if (portion.end > portion.first && portion.bytes + bytes > kMostBytesOfPortion) break;
    portion.bytes += bytes;
  }
  if (reader.given >= portion.first)
    portion.again = std::min(reader.given, portion.end - 1) - portion.first + 1;
  return portion;
}

void MessageLog::put(const Portion& portion, ReadAnswer::Builder answer) const {
  answer.setOutcome(portion.outcome);
  answer.setFirst(portion.first);
  answer.setMissed(portion.missed);
  answer.setAgain(portion.again);
  auto messages = answer.initMessages(static_cast<unsigned>(portion.end - portion.first));
  Number number = portion.first;
  for (auto each : messages) {
    withValue(*table_.find(record(number, message)),
              [&](capnp::AnyPointer::Reader value) { each.getValue().set(value); });
    ++number;
  }
}

// The bytes that it was given; nothing, where there is nothing for it, or no memory for that at this time.
std::optional<std::size_t> MessageLog::give(Number number) {
  const Reader before = readers_.at(number);
  const Portion portion = portionFor(before);
  if (portion.outcome == ReadAnswer::Outcome::NOTHING) return {};
  Reader told = before;
  told.waits = 0;
  told.deadline = kNever;
  told.given = std::max(before.given, portion.end - 1);
  save(number, told);
  try {
    before.call.answer([&](ReadAnswer::Builder answer) { put(portion, answer); });
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::overloaded) throw;
    save(number, before);
    news_ = true;
    again_(now() + kPause);
    return {};
  }
  if (portion.outcome == ReadAnswer::Outcome::BEHIND) remove(number);
  return portion.bytes;
}

void MessageLog::answerNothing(Number number) {
  Reader told = readers_.at(number);
  told.waits = 0;
  told.deadline = kNever;
  save(number, told);
  told.call.answer([](ReadAnswer::Builder answer) { answer.setOutcome(ReadAnswer::Outcome::NOTHING); });
}

void MessageLog::tellReaders() {
  if (!std::exchange(news_, false)) return;
  unsigned told = 0;
  std::size_t bytes = 0;
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (told == kReadersToldAtOnce || bytes > kBytesToldAtOnce) {
      news_ = true;
      return again_(now());
    }
    const Number number = *at;
    const auto given = give(number);
    at = waiting_.upper_bound(number);
    if (!given) continue;
    ++told;
    bytes += *given;
  }
}

// --- In turn ---

void MessageLog::serve() {
  if (!admitWriters()) again_(now());
  tellReaders();
}

void MessageLog::onTime() {
  const Instant time = now();
  Instant next = kNever;
  const auto isDue = [&](Instant deadline) {
    if (deadline > time) next = std::min(next, deadline);
    return deadline <= time;
  };
  for (const auto& [number, each] : std::map(writers_)) {
    if (!isDue(each.deadline)) continue;
    forgetWriter(number);
    each.call.answer();
  }
  for (const Number number : std::set(waiting_)) {
    if (isDue(readers_.at(number).deadline)) answerNothing(number);
  }
  again_(next);
  serve();
}

}  // namespace troupe::actors
