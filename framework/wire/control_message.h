// One message of a control lane: a Control of schemas/control.capnp, and the descriptors that go with it.
#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "os/channel.h"
#include "os/fd.h"
#include "schemas/control.capnp.h"
#include "wire/packet.h"

namespace troupe::wire {

// What a control lane takes: far more than any message needs, but for lists of thousands of children.
inline constexpr std::size_t kMaxControlBytes = 8 * 1024 * 1024;

// What a claim is for (Control.claim.role).
enum class Role : std::uint8_t {
  actor,       // a mailbox of its own
  poolWorker,  // reads the mailbox of its supervisor, which must be a pool
  supervisor,  // no mailbox
  pool,        // a supervisor with a mailbox that its children share
};

// Which pipe of an actor, or its arena (Control.introduce.lane).
enum class Lane : std::uint8_t { mailbox, reply, arena };

// The descriptors of a `granted` message, in this order; those that a role has no use for are missing.
struct GrantedEnds {
  os::Fd mailbox = {};  // read end; actor and poolWorker
  os::Fd reply = {};    // read end; actor and poolWorker
  os::Fd desk = {};     // actor and poolWorker; its description holds the lock
  os::Fd arena = {};    // actor and poolWorker, unless their messages must fit a packet
};

class ControlMessage;

// A message that came in. Movable; readers stay valid as long as it lives.
class ReceivedControl {
 public:
  // Takes the content. Errors: invalid, where the bytes are no control message (its text says what is wrong).
  ReceivedControl(std::span<const std::byte> bytes, std::vector<os::Fd> descriptors);

  // As `message`, whose content it takes, would come out at the other end, without a lane between. Errors: as encode().
  static ReceivedControl looped(ControlMessage& message);

  Control::Reader root() const { return root_; }
  const Control::Reader* operator->() const { return &root_; }
  std::vector<os::Fd>& descriptors() { return descriptors_; }
  // The descriptor at `index`. Errors: invalid, where it did not come.
  os::Fd take(std::size_t index);
  bool has(std::size_t index) const { return index < descriptors_.size() && descriptors_[index].valid(); }

 private:
  friend class ControlMessage;
  ReceivedControl(std::unique_ptr<capnp::MallocMessageBuilder> made, Control::Reader root)
      : made_(std::move(made)), root_(root) {}
  std::vector<std::byte> bytes() const;

  // It lies in one of both: it came over a lane, or did not.
  kj::Array<capnp::word> words_;
  std::unique_ptr<capnp::FlatArrayMessageReader> reader_;
  std::unique_ptr<capnp::MallocMessageBuilder> made_;
  Control::Reader root_;
  std::vector<os::Fd> descriptors_;
};

// A message being made, or sent on: one that came in is copied when it is changed, and only then.
class ControlMessage {
 public:
  ControlMessage();
  Control::Builder* operator->() {
    mayChange();
    return &root_;
  }
  Control::Builder root() { return *operator->(); }

  void attach(os::Fd descriptor) { descriptors_.push_back(std::move(descriptor)); }
  std::vector<os::Fd>& descriptors() { return descriptors_; }

  // Framed bytes. Errors: invalid, where it is larger than a channel takes; where its sender's path is still
  // to be added on the way, room for that is kept.
  std::vector<std::byte> encode();

 private:
  friend class ReceivedControl;
  friend ControlMessage forwarded(ReceivedControl& received);
  explicit ControlMessage(ReceivedControl received);
  void mayChange();
  void checkSize(std::size_t bytes, Control::Reader root) const;

  // Enough for most. The library's own choice is two pages, which it clears.
  static constexpr unsigned kFirstWords = 96;

  std::unique_ptr<capnp::MallocMessageBuilder> message_;  // null: what came
  Control::Builder root_ = nullptr;
  std::optional<ReceivedControl> came_;
  std::vector<os::Fd> descriptors_;
};

// The descriptors of `granted`. Errors: invalid, where one is missing.
GrantedEnds takeEnds(ReceivedControl& message);
// The program that comes with `granted`; to be taken before the ends. Not set: that of the supervisor. Errors: invalid, where it
// is missing.
os::Fd takeImage(ReceivedControl& granted);

// A received message, which is taken, to be sent on.
ControlMessage forwarded(ReceivedControl& received);

std::string toString(capnp::Text::Reader text);

}  // namespace troupe::wire
