#include "actors/dictionary_actor.h"

#include <troupe/app.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "actors/holding.h"
#include "actors/kept_message.h"

namespace troupe::actors {

namespace {

constexpr std::size_t kMostKeyBytes = 4096;
// In the table, beside the entries.
constexpr std::size_t kWatchBytes = std::size_t{1} << 20;
// In one answer to one who watches, and so many of them at a time.
constexpr std::size_t kMostTold = 64;
constexpr std::size_t kMostToldBytes = 16u << 10;
constexpr unsigned kToldAtOnce = 16;

std::string keyOf(capnp::Data::Reader key) {
  const auto chars = key.asChars();
  return {chars.begin(), chars.size()};
}

capnp::Data::Reader dataOf(std::string_view key) {
  return {reinterpret_cast<const capnp::byte*>(key.data()), key.size()};
}

}  // namespace

DictionaryActor::DictionaryActor(const DictionarySpec& spec, std::uint64_t type)
    : spec_(spec),
      type_(type),
      table_(*this, spec.mostBytes + kWatchBytes),
      entries_(*this, table_, spec.mostBytes, spec.mostRemovals),
      watches_(*this, "watches"),
      parties_(self(), [this](const Caller& party, const ExitReason&) { onEnded(party); }),
      alarm_(self(), [this] { tellAll(); }) {}

void DictionaryActor::init() {
  table_.forEach([this](std::uint64_t record, std::span<const std::byte> bytes) {
    record < DictionaryEntries::kOthers ? entries_.load(record, bytes) : loadWatch(record, bytes);
  });
  for (const auto& [ticket, waiting] : waiting_) parties_.watch(ticket.first);
}

// Whom the process before has not come to tell.
Task<> DictionaryActor::run() {
  changed();
  co_await sleepFor(kForever);
}

template <class In>
bool DictionaryActor::refuses(const In& in, auto& out) const {
  if (in.getType() != type_) {
    out.refuse(otherType("dictionary"));
    return true;
  }
  if constexpr (requires { in.getKey(); }) {
    if (in.getKey().size() > kMostKeyBytes) {
      out.refuse("a key of " + std::to_string(in.getKey().size()) + " bytes, and it has at most " +
                 std::to_string(kMostKeyBytes));
      return true;
    }
  }
  return false;
}

// --- Entries ---

void DictionaryActor::get(GetParams in, GetResults out) {
  if (refuses(in, out)) return;
  const Version version = entries_.find(keyOf(in.getKey()));
  out.setVersion(version);
  if (version == 0) return;
  withValue(entries_.valueOf(version), [&](capnp::AnyPointer::Reader value) { out.getValue().set(value); });
}

void DictionaryActor::put(PutParams in, PutResults out) {
  if (refuses(in, out)) return;
  const std::string key = keyOf(in.getKey());
  if (in.getOnlyIf() && entries_.find(key) != in.getVersion()) return;
  const GivenValue value(in.getValue(), "dictionary");
  if (!value.refused().empty()) return out.refuse(value.refused());
  const std::size_t bytes = value.bytes().size();
  if (!entries_.makeRoom(key, bytes)) return out.refuse(noRoom(bytes, entries_.bytes(), spec_.mostBytes));
  out.setVersion(entries_.put(key, value.bytes()));
  changed();
}

void DictionaryActor::remove(RemoveParams in, RemoveResults out) {
  if (refuses(in, out)) return;
  const std::string key = keyOf(in.getKey());
  const Version version = entries_.find(key);
  if (version == 0 || (in.getOnlyIf() && version != in.getVersion())) return;
  if (in.getTake()) {
    withValue(entries_.valueOf(version), [&](capnp::AnyPointer::Reader value) { out.getValue().set(value); });
  }
  out.setVersion(version);
  entries_.remove(key);
  changed();
}

void DictionaryActor::page(PageParams in, PageResults out) {
  if (in.getType() != type_) return out.refuse(otherType("dictionary"));
  const auto first = entries_.from(keyOf(in.getFrom()));
  auto end = first;
  unsigned count = 0;
  for (std::size_t bytes = 0; end != entries_.end() && count < std::max(in.getMost(), 1U); ++end, ++count) {
    bytes += end->first.size() + entries_.valueOf(end->second).size();
    if (count > 0 && bytes > kPageBytes) break;
  }
  auto list = out.initEntries(count);
  auto at = first;
  for (auto entry : list) {
    entry.setKey(dataOf(at->first));
    entry.setVersion(at->second);
    withValue(entries_.valueOf(at->second),
              [&](capnp::AnyPointer::Reader value) { entry.getValue().set(value); });
    ++at;
  }
  if (end == entries_.end()) return;
  out.setMore(true);
  out.setNext(dataOf(end->first));
}

void DictionaryActor::size(SizeParams, SizeResults out) {
  out.setEntries(entries_.size());
  out.setBytes(entries_.bytes());
  out.setMostBytes(spec_.mostBytes);
  out.setVersion(entries_.last());
}

void DictionaryActor::clear(ClearParams, ClearResults out) {
  out.setEntries(entries_.size());
  entries_.clear();
  changed();
}

// --- Those who watch ---

void DictionaryActor::watch(WatchParams in, WatchResults out) {
  if (refuses(in, out)) return;
  const Watch watch{.owner = caller(),
                    .ticket = in.getTicket(),
                    .after = in.getAfter(),
                    .since = in.getSince(),
                    .all = in.getAll() ? 1U : 0U,
                    .call = {}};
  const std::string key = keyOf(in.getKey());
  if (const auto before = waiting_.find({watch.owner, watch.ticket}); before != waiting_.end())
    dropWatch(before);
  if (isNews(watch, key)) return tell(watch, key, out);
  if (table_.bytes() - entries_.bytes() + sizeof(Watch) + key.size() + 64 > kWatchBytes)
    return out.refuse("no room for one more who watches: " + std::to_string(waiting_.size()) + " do");
  Waiting waiting{.watch = watch, .key = key, .record = DictionaryEntries::kOthers + ++watches_.change()};
  waiting.watch.after = waiting.watch.since = entries_.last();
  waiting.watch.call = out.later();
  parties_.watch(watch.owner);
  keepWatch(std::move(waiting));
}

void DictionaryActor::unwatch(UnwatchParams in) {
  if (const auto watch = waiting_.find({caller(), in.getTicket()}); watch != waiting_.end()) dropWatch(watch);
}

void DictionaryActor::keepWatch(Waiting waiting) {
  std::vector<std::byte> bytes(sizeof(Watch) + waiting.key.size());
  std::memcpy(bytes.data(), &waiting.watch, sizeof(Watch));
  std::memcpy(bytes.data() + sizeof(Watch), waiting.key.data(), waiting.key.size());
  table_.put(waiting.record, bytes);
  const Ticket ticket{waiting.watch.owner, waiting.watch.ticket};
  waiting_[ticket] = std::move(waiting);
}

void DictionaryActor::loadWatch(std::uint64_t record, std::span<const std::byte> bytes) {
  static_assert(std::is_trivially_copyable_v<Watch>);
  if (bytes.size() < sizeof(Watch))
    throw Error(ErrorKind::invalid,
                "the records of a dictionary are of "
                "another layout: it must begin anew");
  Waiting waiting;
  waiting.record = record;
  std::memcpy(&waiting.watch, bytes.data(), sizeof(Watch));
  const auto key = bytes.subspan(sizeof(Watch));
  waiting.key.assign(reinterpret_cast<const char*>(key.data()), key.size());
  waiting_[{waiting.watch.owner, waiting.watch.ticket}] = waiting;
}

void DictionaryActor::dropWatch(std::map<Ticket, Waiting>::iterator at) {
  table_.erase(at->second.record);
  waiting_.erase(at);
}

bool DictionaryActor::isNews(const Watch& watch, const std::string& key) const {
  if (watch.all == 0) return entries_.next(watch.after, key).has_value();
  return std::max(watch.after, watch.since) < entries_.horizon() ||
         entries_.next(watch.after, watch.since).has_value();
}

void DictionaryActor::tell(const Watch& watch, const std::string& key, Answer answer) const {
  std::vector<DictionaryEntries::Change> changes;
  Version after = watch.after;
  Version since = watch.since;
  if (watch.all == 0) {
    if (const auto change = entries_.next(after, key)) changes.push_back(*change);
  } else {
    // What is there is told from the first entry on; of what was removed before now nothing has to be said.
    if (std::max(after, since) < entries_.horizon()) {
      answer.setAnew(true);
      after = 0;
      since = entries_.last();
    }
    std::size_t bytes = 0;
    for (auto change = entries_.next(after, since); change; change = entries_.next(after, since)) {
      bytes += change->key.size();
      if (changes.size() >= kMostTold || (!changes.empty() && bytes > kMostToldBytes)) break;
      after = change->version;
      changes.push_back(*change);
    }
  }
  auto list = answer.initChanges(static_cast<unsigned>(changes.size()));
  for (unsigned i = 0; i < changes.size(); ++i) {
    list[i].setKey(dataOf(changes[i].key));
    list[i].setVersion(changes[i].version);
    list[i].setRemoved(changes[i].removed);
    after = std::max(after, changes[i].version);
  }
  answer.setAfter(after);
  answer.setSince(since);
}

void DictionaryActor::changed() {
  if (!waiting_.empty()) alarm_.at(now());
}

// One after the other, each with its answer: who dies in between leaves the others waiting, and not forgotten. All have their turn
// before one has it again.
void DictionaryActor::tellAll() {
  unsigned told = 0;
  for (auto at = waiting_.upper_bound(told_); at != waiting_.end();) {
    const Waiting waiting = at->second;
    const auto here = at++;
    if (!isNews(waiting.watch, waiting.key)) continue;
    if (++told > kToldAtOnce) return changed();
    told_ = here->first;
    dropWatch(here);
    waiting.watch.call.answer([&](Answer answer) { tell(waiting.watch, waiting.key, answer); });
  }
  if (std::exchange(told_, {}) != Ticket()) changed();
}

void DictionaryActor::onEnded(const Caller& party) {
  for (auto at = waiting_.lower_bound({party, 0}); at != waiting_.end() && at->first.first == party;) {
    dropWatch(at++);
  }
}

}  // namespace troupe::actors

namespace troupe::detail {

void declareDictionary(Group& group, std::string id, const DictionarySpec& spec, std::uint64_t type) {
  if (spec.mostBytes > KeptTable::kMostBytes / 2)
    throw Error(ErrorKind::invalid, "the dictionary \"" + id + "\": room for " +
                                        std::to_string(spec.mostBytes) + " bytes, and " +
                                        std::to_string(KeptTable::kMostBytes / 2) + " is the most");
  if (spec.mostBytes == 0)
    throw Error(ErrorKind::invalid,
                "the dictionary \"" + id + "\": room for 0 bytes, and an entry needs some");
  group.child<actors::DictionaryActor>(std::move(id), actors::mayAnswer(spec.child, spec.mostBytes), spec,
                                       type);
}

}  // namespace troupe::detail
