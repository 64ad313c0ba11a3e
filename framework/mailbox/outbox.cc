#include "mailbox/outbox.h"

#include <algorithm>

#include "os/packet_pipe.h"
#include "wire/message.h"

namespace troupe::mailbox {

namespace {

constexpr auto kNever = loop::Clock::time_point::max();

}  // namespace

struct Outbox::Packet {
  wire::PacketBuilder content;
  std::vector<MessageToken> tokens;    // of the answers in it
  std::vector<wire::BlockRef> blocks;  // of the large messages in it
  loop::Clock::time_point deadline =
      loop::Clock::time_point::min();  // the latest of its answers'; kNever with other messages
};

struct Outbox::Line {
  explicit Line(Destination destination) : to(destination) {}

  Destination to;
  os::Fd pipe;
  bool asked = false;
  bool full = false;  // the pipe said so; poll tells when it has room
  bool gone = false;  // it is being closed
  bool shared = false;
  std::uint64_t sequence = 0;
  std::deque<std::unique_ptr<Packet>> packets;
  std::unique_ptr<Packet> spare;
  std::deque<std::weak_ptr<Waiter>> waiters;
  std::unique_ptr<loop::Poll> room;
  bool unwritten = false;
  bool waitersTurn = false;  // the next put() is by the one who has waited longest
};

Outbox::Outbox(loop::Loop& loop, Owner owner, Hooks hooks)
    : loop_(loop), owner_(owner), hooks_(std::move(hooks)), overdue_(loop, [this] { dropOverdue(); }) {}

Outbox::~Outbox() = default;

Outbox::Line& Outbox::lineTo(Destination to) {
  auto& line = lines_[to];
  if (!line) line = std::make_unique<Line>(to);
  if (!line->pipe.valid() && !line->asked && !line->gone) {
    line->asked = true;
    hooks_.introduce(to);
  }
  return *line;
}

Outbox::Put Outbox::put(Destination to, std::span<const std::byte> message) {
  Line& line = lineTo(to);
  if (line.gone) {
    ++dropped_;
    discard(message);
    return Put::gone;
  }
  if (!std::exchange(line.waitersTurn, false) && hasWaiters(line)) return Put::noRoom;
  if (line.packets.size() >= kMaxWaitingPackets) {
    write(line);
    if (line.packets.size() >= kMaxWaitingPackets) return Put::noRoom;
  }
  append(line, message, std::nullopt, kNever);
  return Put::placed;
}

void Outbox::putAnswer(Destination to, std::span<const std::byte> message, MessageToken token,
                       loop::Clock::time_point deadline) {
  Line& line = lineTo(to);
  if (line.gone) {
    discard(message);
    hooks_.answered(token);
    return;
  }
  append(line, message, token, deadline);
  if (line.packets.size() > kMaxWaitingAnswers) {
    drop(*line.packets.front());
    line.packets.pop_front();
  }
}

void Outbox::append(Line& line, std::span<const std::byte> message, std::optional<MessageToken> token,
                    loop::Clock::time_point deadline) {
  if (line.packets.empty() || line.shared || !line.packets.back()->content.append(message)) {
    auto packet = line.spare ? std::move(line.spare) : std::make_unique<Packet>();
    packet->content.append(message);
    line.packets.push_back(std::move(packet));
  }
  Packet& packet = *line.packets.back();
  if (token) packet.tokens.push_back(*token);
  const auto blocks = wire::blocksOf(message);
  packet.blocks.insert(packet.blocks.end(), blocks.begin(), blocks.end());
  packet.deadline = std::max(packet.deadline, deadline);
  // Those before the last are complete: there is no reason to keep them back.
  while (line.packets.size() > 1 && writeFirst(line)) {}
  if (!line.unwritten) {
    line.unwritten = true;
    unwritten_.push_back(line.to);
  }
}

void Outbox::flush() {
  while (!unwritten_.empty()) {
    const auto lines = std::exchange(unwritten_, {});
    for (const Destination& to : lines) {
      const auto found = lines_.find(to);
      if (found == lines_.end()) continue;
      found->second->unwritten = false;
      write(*found->second);
    }
  }
}

void Outbox::write(Line& line) {
  while (!line.packets.empty() && writeFirst(line)) {}
}

bool Outbox::writeFirst(Line& line) {
  if (!line.pipe.valid() || line.full) return false;
  Packet& packet = *line.packets.front();
  const auto bytes = packet.content.finish(owner_.actor, owner_.generation, line.sequence + 1);
  // The receiver may read and free them before this process comes to its next instruction, or dies before it.
  for (const wire::BlockRef& block : packet.blocks)
    owner_.arena->open()->sending(block, {line.to.actor, static_cast<std::uint32_t>(line.to.lane)});
  const auto state = os::writePacket(line.pipe.get(), bytes.data(), bytes.size());
  for (const wire::BlockRef& block : packet.blocks) {
    wire::Arena& arena = *owner_.arena->open();
    state == os::PipeState::done ? arena.sent(block) : arena.unsent(block);
  }
  switch (state) {
    case os::PipeState::done: written(line); return true;
    case os::PipeState::closed:
      // Nobody reads this pipe ever again. Whoever is asked for it anew, tells why.
      line.room.reset();
      line.pipe.reset();
      line.asked = true;
      hooks_.introduce(line.to);
      return false;
    case os::PipeState::wouldBlock: waitForRoom(line); return false;
  }
  return false;
}

void Outbox::waitForRoom(Line& line) {
  line.full = true;
  if (line.to.lane == wire::Lane::reply) lookForOverdue();
  if (line.room) {
    line.room->want(loop::Interest::writable);
    return;
  }
  line.room = std::make_unique<loop::Poll>(loop_, line.pipe.get(), loop::Interest::writable,
                                           [this, &line](bool, bool) {
                                             line.full = false;
                                             write(line);
                                             if (!line.full && line.room)
                                               line.room->want(loop::Interest::none);
                                             wakeWaiters(line);
                                           });
}

void Outbox::written(Line& line) {
  ++line.sequence;
  auto packet = std::move(line.packets.front());
  line.packets.pop_front();
  for (const MessageToken token : packet->tokens) hooks_.answered(token);
  packet->content.clear();
  packet->tokens.clear();
  packet->blocks.clear();
  packet->deadline = loop::Clock::time_point::min();
  line.spare = std::move(packet);
}

std::shared_ptr<Outbox::Waiter> Outbox::whenRoom(Destination to, std::function<void()> resume) {
  auto waiter = std::make_shared<Waiter>(std::move(resume));
  Line& line = lineTo(to);
  if (line.packets.size() >= kMaxWaitingPackets || hasWaiters(line)) {
    line.waiters.push_back(waiter);
  } else {
    // There is room by now, and nothing would tell of it again.
    loop_.post([weak = std::weak_ptr(waiter)] {
      if (const auto still = weak.lock()) still->resume();
    });
  }
  return waiter;
}

// Those who have given up do not count.
bool Outbox::hasWaiters(Line& line) {
  while (!line.waiters.empty() && line.waiters.front().expired()) line.waiters.pop_front();
  return !line.waiters.empty();
}

// Each that is woken may fill the line again, so they are woken one by one.
void Outbox::wakeWaiters(Line& line) {
  while (!line.waiters.empty() && (line.gone || line.packets.size() < kMaxWaitingPackets)) {
    const auto waiter = line.waiters.front().lock();
    line.waiters.pop_front();
    if (!waiter) continue;
    line.waitersTurn = true;
    waiter->resume();
    line.waitersTurn = false;
  }
}

void Outbox::introduced(Destination to, os::Fd writeEnd, bool shared) {
  auto& place = lines_[to];
  if (!place) place = std::make_unique<Line>(to);
  Line& line = *place;
  line.asked = false;
  if (line.pipe.valid()) return;
  line.pipe = std::move(writeEnd);
  line.shared = shared;
  if (shared) spread(line);
  write(line);
  wakeWaiters(line);
}

// What was collected before it was known that several processes read there.
void Outbox::spread(Line& line) {
  for (auto& collected : std::exchange(line.packets, {})) {
    if (collected->content.messages() == 1) {
      line.packets.push_back(std::move(collected));
      continue;
    }
    const auto bytes = collected->content.finish(owner_.actor, owner_.generation, 0);
    wire::PacketView view;
    wire::PacketView::parse(bytes.data(), bytes.size(), view);
    for (unsigned i = 0; i < view.messages(); ++i) {
      auto packet = std::make_unique<Packet>();
      packet->content.append(std::as_bytes(view.message(i)));
      packet->blocks = wire::blocksOf(view.message(i));
      line.packets.push_back(std::move(packet));
    }
  }
}

void Outbox::close(Destination to) {
  const auto found = lines_.find(to);
  if (found == lines_.end()) return;
  Line& line = *found->second;
  line.gone = true;
  line.full = false;
  line.room.reset();
  line.pipe.reset();
  for (const auto& packet : line.packets) drop(*packet);
  line.packets.clear();
  wakeWaiters(line);
  lines_.erase(to);
}

void Outbox::discard(std::span<const std::byte> message) { free(wire::blocksOf(message)); }

void Outbox::free(std::span<const wire::BlockRef> blocks) {
  for (const wire::BlockRef& block : blocks) owner_.arena->open()->free(block);
}

void Outbox::drop(Packet& packet) {
  free(packet.blocks);
  dropped_ += packet.content.messages();
  for (const MessageToken token : packet.tokens) hooks_.answered(token);
}

void Outbox::letGoOfAnswers() {
  for (auto& [to, line] : lines_) {
    if (!line->full) continue;
    for (const auto& packet : line->packets) {
      for (const MessageToken token : packet->tokens) hooks_.answered(token);
      packet->tokens.clear();
    }
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

}  // namespace troupe::mailbox
