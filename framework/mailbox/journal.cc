#include "mailbox/journal.h"

#include "os/kill_point.h"

namespace troupe::mailbox {

void StagedMessages::add(Destination to, std::span<const std::byte> message,
                         loop::Clock::time_point deadline) {
  items_.push_back({to, bytes_.size(), message.size(), deadline, TurnLog::kNoRecord});
  bytes_.insert(bytes_.end(), message.begin(), message.end());
}

void StagedMessages::clear() {
  bytes_.clear();
  items_.clear();
}

void Journal::commitAll(MessageToken done, StagedMessages& staged, bool keep) {
  const std::size_t keeping = keep ? kept_.bytesTouched() : 0;
  log_.makeRoom(TurnLog::bytesOf(0) + keeping + staged.bytes());
  const bool kept = keeping > 0 && kept_.addTo(log_);
  log_.addDone(done.slot, done.index, desk_.arrivalOf(done));
  os::killPoint("adding");
  const auto messageOf = [&](const StagedMessages::Item& item) {
    return std::span<const std::byte>(staged.bytes_).subspan(item.offset, item.bytes);
  };
  for (auto& item : staged.items_)
    item.record = log_.addMessage(item.to, item.deadline.time_since_epoch().count(), messageOf(item));
  log_.commit();
  os::killPoint("committed");
  desk_.finish(done);
  os::killPoint("doneMarked");
  if (kept) kept_.carryOut();
  os::killPoint("keptCopied");
  // Else the log is trimmed when the messages have left.
  if (staged.items_.empty()) log_.carriedOut();
  os::killPoint("carriedOut");
  for (const auto& item : staged.items_) outbox_.send(item.to, messageOf(item), item.record, item.deadline);
}

void Journal::send(Destination to, std::span<const std::byte> message, bool keep,
                   loop::Clock::time_point deadline) {
  const std::size_t keeping = keep && begun_ ? kept_.bytesTouched() : 0;
  log_.makeRoom(keeping + TurnLog::bytesOf(message.size()));
  const bool kept = keeping > 0 && kept_.addTo(log_);
  const auto record = log_.addMessage(to, deadline.time_since_epoch().count(), message);
  log_.commit();
  if (kept) kept_.carryOut();
  log_.carriedOut();
  outbox_.send(to, message, record, deadline);
}

void Journal::begin() {
  begun_ = true;
  keep();
}

void Journal::keep() {
  const std::size_t keeping = begun_ ? kept_.bytesTouched() : 0;
  if (keeping == 0) return;
  log_.makeRoom(keeping);
  kept_.addTo(log_);
  log_.commit();
  kept_.carryOut();
  log_.carriedOut();
}

}  // namespace troupe::mailbox
