#include "mailbox/journal.h"

#include <troupe/error.h>

namespace troupe::mailbox {

void StagedMessages::add(Destination to, std::span<const std::byte> message,
                         loop::Clock::time_point deadline) {
  if (bytes_.size() + message.size() > kMostStaged) {
    throw Error(ErrorKind::overloaded, "this turn holds back " + std::to_string(bytes_.size()) +
                                           " bytes of casts already, and with " +
                                           std::to_string(message.size()) + " more it would exceed " +
                                           std::to_string(kMostStaged));
  }
  items_.push_back({to, bytes_.size(), message.size(), deadline, TurnLog::kNoRecord});
  bytes_.insert(bytes_.end(), message.begin(), message.end());
}

void StagedMessages::clear() {
  bytes_.clear();
  items_.clear();
}

void Journal::commit(std::optional<MessageToken> done, StagedMessages& staged, bool keep) {
  const bool kept = keep && kept_.addTo(log_);
  if (!kept && staged.empty()) {
    // One store is all there is to do.
    if (done) desk_.finish(*done);
    return;
  }
  if (done) log_.addDone(done->slot, done->index, desk_.arrivalOf(*done));
  const auto messageOf = [&](const StagedMessages::Item& item) {
    return std::span<const std::byte>(staged.bytes_).subspan(item.offset, item.bytes);
  };
  for (auto& item : staged.items_)
    item.record = log_.addMessage(item.to, item.deadline.time_since_epoch().count(), messageOf(item));
  log_.commit();
  if (done) desk_.finish(*done);
  if (kept) kept_.carryOut();
  log_.carriedOut();
  for (const auto& item : staged.items_) outbox_.send(item.to, messageOf(item), item.record, item.deadline);
}

void Journal::send(Destination to, std::span<const std::byte> message, bool keep) {
  const bool kept = keep && begun_ && kept_.addTo(log_);
  const auto record = log_.addMessage(to, loop::Clock::time_point::max().time_since_epoch().count(), message);
  log_.commit();
  if (kept) kept_.carryOut();
  log_.carriedOut();
  outbox_.send(to, message, record);
}

void Journal::begin() {
  begun_ = true;
  keep();
}

void Journal::keep() {
  if (!begun_ || !kept_.addTo(log_)) return;
  log_.commit();
  kept_.carryOut();
  log_.carriedOut();
}

}  // namespace troupe::mailbox
