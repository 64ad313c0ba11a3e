// Packets that are more than a queue of what was sent: those that grow in the log, and those of messages that go one by one.
#include <memory>
#include <utility>

#include "mailbox/outbox.h"
#include "mailbox/outbox_line.h"
#include "os/kill_point.h"
#include "wire/message.h"

namespace troupe::mailbox {

std::unique_ptr<Outbox::Packet> Outbox::newPacket() {
  if (spares_.empty()) return std::make_unique_for_overwrite<Packet>();
  auto packet = std::move(spares_.back());
  spares_.pop_back();
  return packet;
}

std::byte* Outbox::placeInNew(Destination to, std::size_t bytes) {
  // Only one grows at a time. Where several are sent to in turns, their packets are filled from copies: or each would leave when
  // the next is begun.
  constexpr unsigned kLongRun = 32;
  run_ = recent_ != nullptr && recent_->to == to ? run_ + 1 : 0;
  Line& line = lineTo(to);
  if (run_ < kLongRun || paused_ || retired_ || bytes > wire::kMaxMessageBytes) return nullptr;
  if (!line.pipe.valid() || line.gone || line.shared || hasWaiters(line)) return nullptr;
  // The one before it is full. Where it has left, the log begins again where it was.
  write(line);
  if (line.packets.size() >= kMaxWaitingPackets || !log_.fits(wire::kMaxPacketBytes, 1)) return nullptr;
  const TurnLog::Handle record = log_.beginPacket(to);
  begun_ = newPacket();
  begun_->records.push_back(record);
  begun_->deadline = loop::Clock::time_point::max();
  growing_ = begun_.get();
  growingTo_ = to;
  return log_.roomInPacket(bytes);
}

void Outbox::placed(std::size_t bytes) {
  log_.grow(bytes);
  if (++growing_->inLog == wire::kMaxPacketMessages) log_.endPacket();
  if (!begun_) return;
  Line& line = lineTo(growingTo_);
  line.packets.push_back(std::move(begun_));
  leftToWrite(line);
}

// What was collected before it was known that several processes read there. All is numbered here and for good: messages of a packet
// in the log have one number there for all of them, and what comes before another message has a lower number.
void Outbox::spread(Line& line) {
  log_.endPacket();
  for (auto& collected : std::exchange(line.packets, {})) {
    number(*collected);
    collected->repeats = true;
    if (collected->messages() == 1) {
      line.packets.push_back(std::move(collected));
      continue;
    }
    const bool inLog = collected->inLog > 0;
    if (inLog) log_.share(collected->records[0], collected->inLog);
    const auto bytes = finish(*collected);
    wire::PacketView view;
    wire::PacketView::parse(bytes.data(), bytes.size(), view);
    for (unsigned i = 0; i < view.messages(); ++i) {
      auto packet = std::make_unique<Packet>();
      packet->content.append(std::as_bytes(view.message(i)));
      packet->records.push_back(collected->records[inLog ? 0 : i]);
      packet->first = collected->first + i;
      packet->repeats = true;
      packet->deadline = collected->deadline;
      packet->answers = collected->answers;
      packet->blocks = wire::blocksOf(std::as_bytes(view.message(i)));
      line.packets.push_back(std::move(packet));
    }
  }
}

}  // namespace troupe::mailbox
