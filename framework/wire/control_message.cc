#include "wire/control_message.h"

#include <troupe/error.h>

#include <algorithm>
#include <cstring>

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

std::vector<std::byte> ControlMessage::encode() {
  const auto words = capnp::messageToFlatArray(*message_);
  const auto bytes = words.asBytes();
  const std::size_t most = kMaxControlBytes - (root_.getFrom().size() == 0 ? kRoomForPath : 0);
  if (bytes.size() > most) {
    throw Error(ErrorKind::invalid, "a control message of " + std::to_string(bytes.size()) +
                                        " bytes is larger than the " + std::to_string(most) +
                                        " that a control lane takes");
  }
  const auto* first = reinterpret_cast<const std::byte*>(bytes.begin());
  return {first, first + bytes.size()};
}

ReceivedControl::ReceivedControl(std::span<const std::byte> bytes, std::vector<os::Fd> descriptors)
    : descriptors_(std::move(descriptors)) {
  if (bytes.empty() || bytes.size() % sizeof(capnp::word) != 0) {
    throw Error(ErrorKind::invalid, "a control message of " + std::to_string(bytes.size()) +
                                        " bytes is no whole number of words");
  }
  words_ = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  std::memcpy(words_.begin(), bytes.data(), bytes.size());
  try {
    reader_ = std::make_unique<capnp::FlatArrayMessageReader>(words_.asPtr(), controlOptions(bytes.size()));
    root_ = reader_->getRoot<Control>();
  } catch (const kj::Exception& exception) {
    throw Error(ErrorKind::invalid,
                std::string("a malformed control message: ") + exception.getDescription().cStr());
  }
}

ReceivedControl ReceivedControl::looped(ControlMessage& message) {
  return {message.encode(), std::move(message.descriptors())};
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

ControlMessage forwarded(ReceivedControl& received) {
  ControlMessage message;
  message.assign(received.root());
  message.descriptors() = std::move(received.descriptors());
  return message;
}

std::string toString(capnp::Text::Reader text) { return {text.cStr(), text.size()}; }

}  // namespace troupe::wire
