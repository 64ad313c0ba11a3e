// Waiting for room: of packets in a pipe, and of messages in the log.
#include <utility>

#include "mailbox/outbox.h"
#include "mailbox/outbox_line.h"
#include "os/cores.h"

namespace troupe::mailbox {

namespace {
constexpr auto kPatience = std::chrono::milliseconds(20);
}

void Outbox::waitForRoom(Line& line) {
  setFull(line, true);
  if (line.to.lane == wire::Lane::reply) lookForOverdue();
  if (line.room) {
    line.room->want(loop::Interest::writable);
    return;
  }
  line.room = std::make_unique<loop::Poll>(loop_, line.pipe.get(), loop::Interest::writable,
                                           [this, &line](bool, bool) {
                                             setFull(line, false);
                                             write(line);
                                             if (!line.full && line.room)
                                               line.room->want(loop::Interest::none);
                                             wakeWaiters(line);
                                             if (fullMailboxes_ == 0) setPatient(false);
                                           });
}

void Outbox::setFull(Line& line, bool full) {
  if (std::exchange(line.full, full) == full || line.to.lane == wire::Lane::reply) return;
  if (full) {
    ++fullMailboxes_;
    setPatient(true);
  } else {
    --fullMailboxes_;
    ++rooms_;
  }
}

// Who reads there is busy. Woken by each packet that it takes, and given its core, this process would find room for one packet, again
// and again, and the reader would lose its core as often.
void Outbox::setPatient(bool patient) {
  if (std::exchange(patient_, patient) == patient) return;
  os::setPatient(patient);
  if (patient) patience_.startIn(kPatience);
}

// Where no room has come meanwhile, it does not read at all: others need not wait for it.
void Outbox::losePatience() {
  if (!patient_) return;
  if (std::exchange(roomsBefore_, rooms_) == rooms_) return setPatient(false);
  patience_.startIn(kPatience);
}

std::shared_ptr<Outbox::Waiter> Outbox::whenRoom(Destination to, std::function<void()> resume) {
  auto waiter = std::make_shared<Waiter>(Waiter{.resume = std::move(resume)});
  Line& line = lineTo(to);
  // Nobody overtakes it.
  if (to == growingTo_) log_.endPacket();
  if (!hasSpace()) crowded_ = true;
  if (paused_ || line.packets.size() >= kMaxWaitingPackets || hasWaiters(line) || !hasSpace()) {
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
  while (!line.waiters.empty() && (!paused_ || line.gone) &&
         (line.gone || line.packets.size() < kMaxWaitingPackets)) {
    if (!line.gone && !hasSpace()) {
      crowded_ = true;
      return;
    }
    const auto waiter = line.waiters.front().lock();
    line.waiters.pop_front();
    if (!waiter) continue;
    line.waitersTurn = true;
    waiter->resume();
    line.waitersTurn = false;
  }
}

// Those who found the log full, of messages to others maybe.
void Outbox::wakeCrowded() {
  for (const Destination& to : destinations()) {
    if (const auto found = lines_.find(to); found != lines_.end()) wakeWaiters(*found->second);
  }
}

// Any message fits the log.
bool Outbox::hasSpace() const { return log_.fits(wire::kMaxPacketBytes, 1); }

}  // namespace troupe::mailbox
