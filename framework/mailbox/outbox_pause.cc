// What becomes of messages that have not left when another process takes over: those in the log are its own from then on. Calls,
// and what has found no room yet, stay here, and are nobody else's: where they are large they leave the arena,
// since the other process frees all in it that is not in the log.
#include <troupe/error.h>

#include <utility>

#include "mailbox/outbox.h"
#include "mailbox/outbox_line.h"
#include "os/kill_point.h"
#include "wire/message.h"

namespace troupe::mailbox {

void Outbox::pause() {
  paused_ = true;
  log_.endPacket();
  waitingAnswers_ = 0;
  for (auto& [to, line] : lines_) setAside(*line);
  for (std::vector<std::byte>* const message : held_) *message = outOfArena(*message);
}

void Outbox::setAside(Line& line) {
  for (const auto& packet : std::exchange(line.packets, {})) {
    const auto bytes = packet->content.finish(owner_.actor, owner_.generation, 0);
    wire::PacketView view;
    wire::PacketView::parse(bytes.data(), bytes.size(), view);
    for (unsigned i = 0; i < packet->records.size(); ++i) {
      if (packet->records[i] == TurnLog::kNoRecord)
        aside_.emplace_back(line.to, outOfArena(std::as_bytes(view.message(i))));
    }
  }
  os::killPoint("linePaused");
}

std::vector<std::byte> Outbox::outOfArena(std::span<const std::byte> message) const {
  return owner_.arena == nullptr ? std::vector<std::byte>(message.begin(), message.end())
                                 : wire::outOfArena(*owner_.arena, message);
}

void Outbox::goOn(std::uint32_t generation) {
  paused_ = false;
  owner_.generation = generation;
  resend();
  for (auto& [to, message] : std::exchange(aside_, {})) {
    try {
      prepare(message, "a call");
      append(lineTo(to), {message});
    } catch (const Error&) {
      // There is no room any more for its body: the call ends by its deadline.
    }
  }
  flush();
  wakeCrowded();
}

void Outbox::retire() {
  paused_ = retired_ = true;
  aside_.clear();
  for (const Destination to : destinations()) close(to);
}

void Outbox::prepare(std::vector<std::byte>& message, const std::string& what) const {
  if (!paused_ && message.size() > wire::kMaxMessageBytes)
    message = wire::intoArena(*owner_.arena, message, what);
}

void Outbox::hold(std::vector<std::byte>& message) { held_.insert(&message); }

void Outbox::letGoOf(std::vector<std::byte>& message) {
  if (!held_.empty()) held_.erase(&message);
}

}  // namespace troupe::mailbox
