#include "mailbox/outbox.h"

#include <algorithm>
#include <cstring>

#include "mailbox/outbox_line.h"
#include "os/kill_point.h"
#include "os/packet_pipe.h"
#include "wire/message.h"

namespace troupe::mailbox {

Outbox::Outbox(loop::Loop& loop, Owner owner, TurnLog& log, Introduce introduce, Undeliverable undeliverable)
    : loop_(loop),
      owner_(owner),
      log_(log),
      introduce_(std::move(introduce)),
      undeliverable_(std::move(undeliverable)),
      overdue_(loop, [this] { dropOverdue(); }),
      space_(loop, [this] { wakeCrowded(); }),
      patience_(loop, [this] { losePatience(); }) {}

Outbox::~Outbox() = default;

Outbox::Line* Outbox::existingLine(Destination to) const {
  if (recent_ != nullptr && recent_->to == to) return recent_;
  const auto found = lines_.find(to);
  return found == lines_.end() ? nullptr : found->second.get();
}

Outbox::Line& Outbox::knownLine(Destination to) {
  auto& line = lines_[to];
  if (!line) line = std::make_unique<Line>(to);
  hasMet_ = true;
  return *line;
}

Outbox::Line& Outbox::lineTo(Destination to) {
  // One that is sent to is often sent to again.
  if (recent_ == nullptr || recent_->to != to) recent_ = &knownLine(to);
  Line& line = *recent_;
  if (!line.pipe.valid() && !line.asked && !line.gone) {
    line.asked = true;
    introduce_(to);
  }
  return line;
}

void Outbox::resend() {
  const auto all = log_.takeUnsent();
  std::vector<wire::BlockRef> blocks;
  for (const TurnLog::Unsent& unsent : all) {
    const auto its = wire::blocksOf(unsent.bytes);
    blocks.insert(blocks.end(), its.begin(), its.end());
  }
  if (owner_.arena != nullptr) owner_.arena->recover(blocks);
  // All get their numbers now, in their order. Those of a packet share a record, which has only the first one's: so all of them are
  // taken before it says that.
  std::uint64_t number = 0;
  TurnLog::Handle numbered = TurnLog::kNoRecord;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const TurnLog::Unsent& unsent = all[i];
    Line& line = lineTo(unsent.to);
    const loop::Clock::time_point deadline{loop::Clock::duration(unsent.deadline)};
    if (unsent.sequence == 0 && unsent.handle == numbered) {
      ++number;
    } else if (unsent.sequence == 0) {
      std::size_t count = 1;
      while (i + count < all.size() && all[i + count].handle == unsent.handle) ++count;
      number = log_.number(count);
      log_.setNumber(unsent.handle, number);
      DeskMemory::barrier();
      numbered = unsent.handle;
    }
    append(line, {unsent.bytes, unsent.handle, unsent.sequence == 0 ? number : unsent.sequence, deadline});
    os::killPoint("resending");
  }
  flush();
}

std::vector<Destination> Outbox::destinations() const {
  std::vector<Destination> all;
  all.reserve(lines_.size());
  for (const auto& [to, line] : lines_) all.push_back(to);
  return all;
}

Outbox::Put Outbox::put(Destination to, std::span<const std::byte> message) {
  const Put room = hasRoom(to, 0);
  if (room == Put::gone) discard(message);
  if (room != Put::placed) return room;
  append(lineTo(to), {message});
  return Put::placed;
}

Outbox::Put Outbox::hasRoom(Destination to, std::size_t bytes) {
  if (retired_) return Put::gone;
  Line& line = lineTo(to);
  if (paused_) return Put::noRoom;
  if (line.gone) {
    ++dropped_;
    return Put::gone;
  }
  if (!std::exchange(line.waitersTurn, false) && hasWaiters(line)) return Put::noRoom;
  if (line.packets.size() >= kMaxWaitingPackets) write(line);
  return line.packets.size() < kMaxWaitingPackets && log_.fits(bytes, 1) ? Put::placed : Put::noRoom;
}

bool Outbox::mayCommit(Destination to, std::size_t bytes) {
  Line& line = lineTo(to);
  for (const auto& each : line.waiters) {
    if (const auto waiter = each.lock(); waiter && !waiter->committed) return false;
  }
  return !paused_ && !line.gone && log_.fits(bytes, 1);
}

void Outbox::send(Destination to, std::span<const std::byte> message, TurnLog::Handle record,
                  loop::Clock::time_point deadline) {
  Line& line = lineTo(to);
  if (line.gone) {
    ++dropped_;
    log_.release(record);
    discard(message);
    return;
  }
  append(line, {message, record, 0, deadline});
  while (waitingAnswers_ > kMaxWaitingAnswers) dropOldestAnswer();
}

// Of the caller that has left most unread. All callers together share the room that they may take from the log.
void Outbox::dropOldestAnswer() {
  Line* longest = nullptr;
  for (auto& [to, line] : lines_) {
    const bool longer = longest == nullptr || line->packets.size() > longest->packets.size();
    if (to.lane == wire::Lane::reply && longer) longest = line.get();
  }
  drop(*longest->packets.front());
  longest->packets.pop_front();
}

// Messages that were numbered before keep their numbers, and those of a packet follow each other.
bool Outbox::joins(const Line& line, const Item& item) {
  if (line.packets.empty() || line.shared) return false;
  const Packet& last = *line.packets.back();
  if (last.inLog > 0) return false;
  if (item.number == 0) return last.first == 0;
  return last.repeats && item.number == last.first + last.content.messages();
}

void Outbox::append(Line& line, const Item& item) {
  if (!joins(line, item) || !line.packets.back()->content.append(item.message)) {
    auto packet = newPacket();
    packet->content.append(item.message);
    packet->first = item.number;
    packet->repeats = item.number != 0;
    packet->answers = line.to.lane == wire::Lane::reply;
    if (packet->answers) ++waitingAnswers_;
    add(line, std::move(packet));
  }
  Packet& packet = *line.packets.back();
  packet.records.push_back(item.record);
  if (wire::isLarge(item.message)) {
    const auto blocks = wire::blocksOf(item.message);
    packet.blocks.insert(packet.blocks.end(), blocks.begin(), blocks.end());
  }
  packet.deadline = std::max(packet.deadline, item.deadline);
  leftToWrite(line);
}

void Outbox::add(Line& line, std::unique_ptr<Packet> packet) {
  // Nothing joins the one before it any more.
  if (line.to == growingTo_) log_.endPacket();
  line.packets.push_back(std::move(packet));
}

void Outbox::leftToWrite(Line& line) {
  // Those before the last are complete: there is no reason to keep them back.
  while (line.packets.size() > 1 && writeFirst(line)) {}
  if (!line.unwritten) {
    line.unwritten = true;
    unwritten_.push_back(line.to);
  }
}

// Before it is written for the first time: the successor must know the number that the receiver may have seen.
void Outbox::number(Packet& packet) {
  if (packet.first != 0) return;
  packet.first = log_.number(packet.messages());
  os::killPoint("numbering");
  std::uint64_t next = packet.first;
  for (const TurnLog::Handle record : packet.records) {
    if (record != TurnLog::kNoRecord) log_.setNumber(record, next);
    DeskMemory::barrier();
    ++next;
  }
  os::killPoint("numbered");
}

void Outbox::writeAll() {
  auto lines = std::move(written_);
  while (!unwritten_.empty()) {
    lines.clear();
    lines.swap(unwritten_);
    for (const Destination& to : lines) {
      Line* const line = existingLine(to);
      if (line == nullptr) continue;
      line->unwritten = false;
      write(*line);
    }
  }
  written_ = std::move(lines);
}

// It was not written: more may join it until it is. The last number first: a successor gives new, higher numbers to those that
// have none, and must not send them before one that has.
void Outbox::takeNumberBack(Packet& packet) {
  if (packet.repeats) return;
  packet.first = 0;
  for (auto record = packet.records.rbegin(); record != packet.records.rend(); ++record) {
    if (*record == TurnLog::kNoRecord) continue;
    log_.setNumber(*record, 0);
    DeskMemory::barrier();
    os::killPoint("numberTakenBack");
  }
}

void Outbox::write(Line& line) {
  while (!line.packets.empty() && writeFirst(line)) {}
}

// The receiver may read and free them before this process comes to its next instruction, or dies before it. Those of a
// repetition may have been read long ago: they stay the receiver's.
os::PipeState Outbox::writeWithBlocks(Line& line, const Packet& packet, std::span<const std::byte> bytes) {
  for (const wire::BlockRef& block : packet.blocks)
    owner_.arena->open()->sending(block, {line.to.actor, static_cast<std::uint32_t>(line.to.lane)});
  if (!packet.blocks.empty()) os::killPoint("bodyMarked");
  const auto state = os::writePacket(line.pipe.get(), bytes.data(), bytes.size());
  const bool done = state == os::PipeState::done;
  if (done && !packet.blocks.empty()) os::killPoint("bodyWritten");
  for (const wire::BlockRef& block : packet.blocks) {
    const wire::Arena& arena = *owner_.arena->open();
    if (done) arena.sent(block);
    if (!done && !packet.repeats) arena.unsent(block);
  }
  if (!packet.blocks.empty()) done ? os::killPoint("bodySent") : os::killPoint("bodyUnmarked");
  return state;
}

std::span<const std::byte> Outbox::finish(Packet& packet, std::uint32_t flags) {
  if (packet.inLog == 0) return packet.content.finish(owner_.actor, owner_.generation, packet.first, flags);
  const auto bytes = log_.packet(packet.records[0]);
  const wire::PacketHeader header{.bytes = static_cast<std::uint32_t>(bytes.size()),
                                  .messages = static_cast<std::uint16_t>(packet.inLog),
                                  .sender = owner_.actor,
                                  .sequence = packet.first,
                                  .generation = owner_.generation,
                                  .flags = flags};
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

bool Outbox::writeFirst(Line& line) {
  if (!line.pipe.valid() || line.full) return false;
  Packet& packet = *line.packets.front();
  number(packet);
  const auto bytes = finish(packet, packet.repeats ? wire::kMayRepeat : 0);
  switch (writeWithBlocks(line, packet, bytes)) {
    case os::PipeState::done: written(line); return true;
    case os::PipeState::closed:
      takeNumberBack(packet);
      // Nobody reads this pipe ever again. Whoever is asked for it anew, tells why.
      line.room.reset();
      line.pipe.reset();
      line.asked = true;
      introduce_(line.to);
      return false;
    case os::PipeState::wouldBlock:
      takeNumberBack(packet);
      waitForRoom(line);
      return false;
  }
  return false;
}

void Outbox::written(Line& line) {
  auto packet = std::move(line.packets.front());
  line.packets.pop_front();
  os::killPoint("written");
  release(*packet);
  os::killPoint("released");
  packet->content.clear();
  packet->inLog = 0;
  packet->first = 0;
  packet->repeats = false;
  packet->answers = false;
  packet->blocks.clear();
  packet->deadline = loop::Clock::time_point::min();
  if (spares_.size() < kMaxWaitingPackets) spares_.push_back(std::move(packet));
}

void Outbox::introduced(Destination to, os::Fd writeEnd, bool shared) {
  Line& line = knownLine(to);
  line.asked = false;
  if (line.pipe.valid()) return;
  line.pipe = std::move(writeEnd);
  line.shared = shared;
  if (shared) spread(line);
  write(line);
  wakeWaiters(line);
}

void Outbox::close(Destination to) {
  const auto found = lines_.find(to);
  if (found == lines_.end()) return;
  Line& line = *found->second;
  if (!line.packets.empty()) os::killPoint("closing");
  line.gone = true;
  setFull(line, false);
  if (fullMailboxes_ == 0) setPatient(false);
  line.room.reset();
  // While the root still waits for this end to close: afterwards it frees all that looks as if it lay in the mailbox.
  if (undeliverable_ && to.lane == wire::Lane::mailbox) {
    for (const auto& packet : line.packets) markGivenUp(line, *packet);
  }
  line.pipe.reset();
  for (const auto& packet : line.packets) {
    if (undeliverable_ && to.lane == wire::Lane::mailbox) giveUp(line, *packet);
    drop(*packet);
  }
  line.packets.clear();
  wakeWaiters(line);
  if (recent_ == &line) recent_ = nullptr;
  lines_.erase(to);
  os::killPoint("closed");
}

void Outbox::markGivenUp(const Line& line, const Packet& packet) {
  for (const wire::BlockRef& block : packet.blocks) {
    const wire::Arena& arena = *owner_.arena->open();
    arena.sending(block, {line.to.actor, wire::kUndeliverable});
    arena.sent(block);
  }
}

// Its large messages are for whoever is told of it: they stay in the arena, as sent.
void Outbox::giveUp(const Line& line, Packet& packet) {
  packet.blocks.clear();
  packet.first = 0;
  undeliverable_(line.to.actor, finish(packet));
}

void Outbox::discard(std::span<const std::byte> message) { free(wire::blocksOf(message)); }

void Outbox::free(std::span<const wire::BlockRef> blocks) {
  for (const wire::BlockRef& block : blocks) owner_.arena->free(block);
}

void Outbox::drop(Packet& packet) {
  dropped_ += packet.messages();
  release(packet);
  free(packet.blocks);
}

void Outbox::release(Packet& packet) {
  log_.release(packet.records);
  packet.records.clear();
  if (packet.answers) --waitingAnswers_;
  if (crowded_ && hasSpace()) {
    crowded_ = false;
    space_.startIn(loop::Clock::duration::zero());
  }
}

// Not moved by each line that is full: so it does come.
void Outbox::lookForOverdue() {
  if (std::exchange(looking_, true)) return;
  overdue_.startIn(std::chrono::seconds(1));
}

void Outbox::dropOverdue() {
  looking_ = false;
  const auto now = loop::Clock::now();
  bool more = false;
  for (auto& [to, line] : lines_) {
    if (to.lane != wire::Lane::reply || !line->full) continue;
    std::erase_if(line->packets, [&](const auto& packet) {
      if (packet->deadline > now) return false;
      drop(*packet);
      return true;
    });
    more = more || !line->packets.empty();
  }
  if (more) lookForOverdue();
}

std::size_t Outbox::waitingPackets() const {
  std::size_t sum = 0;
  for (const auto& [to, line] : lines_) sum += line->packets.size();
  return sum;
}

std::size_t Outbox::owedPackets() const {
  const auto owed = [](const std::unique_ptr<Packet>& packet) {
    return std::ranges::any_of(packet->records, [](auto record) { return record != TurnLog::kNoRecord; });
  };
  std::size_t sum = 0;
  for (const auto& [to, line] : lines_)
    sum += static_cast<std::size_t>(std::ranges::count_if(line->packets, owed));
  return sum;
}

}  // namespace troupe::mailbox
