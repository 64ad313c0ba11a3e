// The side of a dictionary that its users see. What is called does not refer to the Dictionary, which may be gone when it is awaited.
#include <troupe/dictionary_client.h>

#include <utility>

#include "actor/actor_process.h"
#include "schemas/dictionary.actor.h"

namespace troupe::detail {

namespace {

using DictionaryRef = Ref<actors::DictionaryProtocol>;
using actors::DictionaryProtocol;

std::uint64_t nextWatch() {
  static std::uint64_t last = 0;
  return ++last;
}

Task<> castUnwatch(RefBase dictionary, std::uint64_t ticket) {
  co_await DictionaryRef(std::move(dictionary)).unwatch(ticket);
}

// A call that waits is withdrawn where nobody waits for it any more.
class OpenWatch {
 public:
  OpenWatch(RefBase dictionary, std::uint64_t ticket, bool& asking)
      : dictionary_(std::move(dictionary)), ticket_(ticket), asking_(asking) {
    asking_ = true;
  }
  OpenWatch(const OpenWatch&) = delete;
  ~OpenWatch() {
    asking_ = false;
    if (!answered_) actor::ActorProcess::current().spawn(castUnwatch(dictionary_, ticket_));
  }
  void answered() { answered_ = true; }

 private:
  RefBase dictionary_;
  std::uint64_t ticket_;
  bool& asking_;
  bool answered_ = false;
};

std::string textOf(capnp::Data::Reader bytes) {
  const auto chars = bytes.asChars();
  return {chars.begin(), chars.size()};
}

Task<HeldEntry> entryOf(DictionaryRef dictionary, std::uint64_t type, std::string key) {
  auto call = dictionary.get(key, type);
  auto reply = std::make_shared<Reply<DictionaryProtocol::GetResults>>(co_await call);
  HeldEntry entry{.key = std::move(key), .version = (*reply)->getVersion(), .held = {}};
  if (entry.version != 0) entry.held = {.reply = reply, .value = (*reply)->getValue()};
  co_return entry;
}

Task<std::uint64_t> putInto(DictionaryRef dictionary, std::uint64_t type, std::string key, FillValue fill,
                            std::optional<std::uint64_t> version) {
  auto call = dictionary.put([&](DictionaryProtocol::PutParams::Builder params) {
    const DataArg bytes(key);
    bytes.copyTo(params.initKey(bytes.size()).begin());
    fill(params.getValue());
    params.setOnlyIf(version.has_value());
    params.setVersion(version.value_or(0));
    params.setType(type);
  });
  const auto reply = co_await call;
  co_return reply->getVersion();
}

Task<HeldEntry> removedFrom(DictionaryRef dictionary, std::uint64_t type, std::string key,
                            std::optional<std::uint64_t> version, bool take) {
  auto call = dictionary.remove(key, version.has_value(), version.value_or(0), take, type);
  auto reply = std::make_shared<Reply<DictionaryProtocol::RemoveResults>>(co_await call);
  HeldEntry entry{.key = std::move(key), .version = (*reply)->getVersion(), .held = {}};
  if (entry.version != 0) entry.held = {.reply = reply, .value = (*reply)->getValue()};
  co_return entry;
}

Task<bool> isRemoved(DictionaryRef dictionary, std::uint64_t type, std::string key,
                     std::optional<std::uint64_t> version) {
  const HeldEntry entry = co_await removedFrom(std::move(dictionary), type, std::move(key), version, false);
  co_return entry.version != 0;
}

Task<HeldEntries> pageOf(DictionaryRef dictionary, std::uint64_t type, std::string from, std::uint32_t most) {
  auto call = dictionary.page(from, most, type);
  auto reply = std::make_shared<Reply<DictionaryProtocol::PageResults>>(co_await call);
  HeldEntries page;
  for (const auto entry : (*reply)->getEntries()) {
    page.entries.push_back({.key = textOf(entry.getKey()),
                            .version = entry.getVersion(),
                            .held = {.reply = reply, .value = entry.getValue()}});
  }
  if ((*reply)->getMore()) page.next = textOf((*reply)->getNext());
  co_return page;
}

Task<DictionarySize> sizeOf(DictionaryRef dictionary) {
  const auto reply = co_await dictionary.size();
  co_return DictionarySize{
      .entries = reply->getEntries(), .bytes = reply->getBytes(), .mostBytes = reply->getMostBytes()};
}

Task<std::uint64_t> cleared(DictionaryRef dictionary) {
  const auto reply = co_await dictionary.clear();
  co_return reply->getEntries();
}

Task<std::shared_ptr<DictionaryWatch>> watchOf(DictionaryRef dictionary, std::uint64_t type,
                                               std::optional<std::string> key) {
  const auto reply = co_await dictionary.size();
  co_return std::make_shared<DictionaryWatch>(dictionary, type, std::move(key), reply->getVersion());
}

}  // namespace

DictionaryWatch::DictionaryWatch(RefBase dictionary, std::uint64_t type, std::optional<std::string> key,
                                 std::uint64_t version)
    : dictionary_(std::move(dictionary)),
      type_(type),
      key_(std::move(key)),
      ticket_(nextWatch()),
      after_(version),
      since_(version) {}

Task<DictionaryChange> DictionaryWatch::next(Duration deadline) {
  if (asking_)
    throw Error(ErrorKind::invalid, "watching the dictionary " + dictionary_.path() +
                                        ": next() is awaited already, and one at a time may do so");
  while (told_.empty()) {
    bool gone = false;
    try {
      co_await ask(deadline);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::gone) throw;
      gone = true;
    }
    if (gone) co_return DictionaryChange{};
  }
  DictionaryChange change = std::move(told_.front());
  told_.pop_front();
  co_return change;
}

// What is told here counts as told: a call that ends otherwise is asked again from where this one began.
Task<> DictionaryWatch::ask(Duration deadline) {
  const DictionaryRef dictionary(dictionary_);
  OpenWatch open(dictionary_, ticket_, asking_);
  auto call =
      dictionary.within(deadline).watch(ticket_, !key_, key_.value_or(std::string()), after_, since_, type_);
  const auto reply = co_await call;
  open.answered();
  if (reply->getAnew()) told_.push_back({.kind = DictionaryChange::Kind::anew, .key = {}, .version = 0});
  for (const auto change : reply->getChanges()) {
    using Kind = DictionaryChange::Kind;
    told_.push_back({.kind = change.getRemoved() ? Kind::removed : Kind::put,
                     .key = textOf(change.getKey()),
                     .version = change.getVersion()});
  }
  after_ = reply->getAfter();
  since_ = reply->getSince();
}

Task<HeldEntry> DictionaryClient::get(std::string key) const {
  return entryOf(DictionaryRef(*this), type_, std::move(key));
}

Task<std::uint64_t> DictionaryClient::put(std::string key, FillValue fill,
                                          std::optional<std::uint64_t> version) const {
  return putInto(DictionaryRef(*this), type_, std::move(key), std::move(fill), version);
}

Task<bool> DictionaryClient::remove(std::string key, std::optional<std::uint64_t> version) const {
  return isRemoved(DictionaryRef(*this), type_, std::move(key), version);
}

Task<HeldEntry> DictionaryClient::pop(std::string key) const {
  return removedFrom(DictionaryRef(*this), type_, std::move(key), std::nullopt, true);
}

Task<HeldEntries> DictionaryClient::page(std::string from, std::uint32_t most) const {
  return pageOf(DictionaryRef(*this), type_, std::move(from), most);
}

Task<DictionarySize> DictionaryClient::size() const { return sizeOf(DictionaryRef(*this)); }

Task<std::uint64_t> DictionaryClient::clear() const { return cleared(DictionaryRef(*this)); }

Task<std::shared_ptr<DictionaryWatch>> DictionaryClient::watch(std::optional<std::string> key) const {
  return watchOf(DictionaryRef(*this), type_, std::move(key));
}

ServedProtocol servedByDictionaries() {
  return {Protocol<DictionaryProtocol>::kId, Protocol<DictionaryProtocol>::kName};
}

}  // namespace troupe::detail
