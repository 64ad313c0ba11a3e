#include "wire/control_message.h"

#include <troupe/error.h>

#include <algorithm>

#include "wire/flat_message.h"

namespace troupe::wire {

namespace {

// The longest path that supervisors are expected to write into a message on its way up.
constexpr std::size_t kRoomForPath = 4096;

// Little enough that a hostile message can't swell by much when it is copied.
capnp::ReaderOptions controlOptions(std::size_t bytes) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = 8 * std::max(bytes, os::kMaxChannelMessageBytes) / sizeof(capnp::word);
  options.nestingLimit = 32;
  return options;
}

}  // namespace

ControlMessage::ControlMessage()
    : message_(std::make_unique<capnp::MallocMessageBuilder>(kFirstWords)),
      root_(message_->initRoot<Control>()) {}

ControlMessage::ControlMessage(ReceivedControl received)
    : came_(std::move(received)), descriptors_(std::move(came_->descriptors_)) {}

void ControlMessage::mayChange() {
  if (!came_) return;
  // One that was made in this process goes on being made.
  message_ = std::move(came_->made_);
  if (!message_) {
    message_ = std::make_unique<capnp::MallocMessageBuilder>(kFirstWords);
    message_->setRoot(came_->root());
  }
  root_ = message_->getRoot<Control>();
  came_.reset();
}

void ControlMessage::checkSize(std::size_t bytes, Control::Reader root) const {
  const std::size_t most = kMaxControlBytes - (root.getFrom().size() == 0 ? kRoomForPath : 0);
  if (bytes <= most) return;
  throw Error(ErrorKind::invalid, "a control message of " + std::to_string(bytes) +
                                      " bytes is larger than the " + std::to_string(most) +
                                      " that a control lane takes");
}

std::vector<std::byte> ControlMessage::encode() {
  auto bytes = came_ ? came_->bytes() : flatBytes(*message_);
  checkSize(bytes.size(), came_ ? came_->root() : root_.asReader());
  return bytes;
}

ReceivedControl::ReceivedControl(std::span<const std::byte> bytes, std::vector<os::Fd> descriptors)
    : descriptors_(std::move(descriptors)) {
  if (bytes.empty() || bytes.size() % sizeof(capnp::word) != 0) {
    throw Error(ErrorKind::invalid, "a control message of " + std::to_string(bytes.size()) +
                                        " bytes is no whole number of words");
  }
  words_ = wordsOf(bytes);
  try {
    reader_ = std::make_unique<capnp::FlatArrayMessageReader>(words_.asPtr(), controlOptions(bytes.size()));
    root_ = reader_->getRoot<Control>();
  } catch (const kj::Exception& exception) {
    throw Error(ErrorKind::invalid,
                std::string("a malformed control message: ") + exception.getDescription().cStr());
  }
}

std::vector<std::byte> ReceivedControl::bytes() const {
  if (made_) return flatBytes(*made_);
  const auto bytes = std::as_bytes(std::span(words_.begin(), words_.size()));
  return {bytes.begin(), bytes.end()};
}

ReceivedControl ReceivedControl::looped(ControlMessage& message) {
  if (!message.came_) {
    const auto root = message.root_.asReader();
    message.checkSize(capnp::computeSerializedSizeInWords(*message.message_) * sizeof(capnp::word), root);
    message.came_.emplace(ReceivedControl(std::move(message.message_), root));
  }
  ReceivedControl received = std::move(*message.came_);
  received.descriptors_ = std::move(message.descriptors_);
  return received;
}

os::Fd ReceivedControl::take(std::size_t index) {
  if (!has(index)) {
    throw Error(ErrorKind::invalid, "a control message came without its descriptor " + std::to_string(index) +
                                        " (is this process at its limit of open descriptors?)");
  }
  return std::move(descriptors_[index]);
}

GrantedEnds takeEnds(ReceivedControl& message) {
  return {message.take(0), message.take(1), message.take(2), message.has(3) ? message.take(3) : os::Fd()};
}

os::Fd takeImage(ReceivedControl& granted) {
  const auto index = granted->getGranted().getImage();
  return index == 0 ? os::Fd() : granted.take(index);
}

ControlMessage forwarded(ReceivedControl& received) { return ControlMessage(std::move(received)); }

std::string toString(capnp::Text::Reader text) { return {text.cStr(), text.size()}; }

}  // namespace troupe::wire
