#include "wire/letter.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <troupe/error.h>

#include <string>

#include "wire/flat_message.h"
#include "wire/message.h"
#include "wire/reason_codec.h"

namespace troupe::wire {

namespace {

using Nanoseconds = std::chrono::nanoseconds;

std::string textOf(capnp::Text::Reader text) { return {text.cStr(), text.size()}; }

std::string nameOf(ActorId actor, const std::string& path) {
  return path.empty() ? "actor " + std::to_string(actor) : path;
}

}  // namespace

std::string receiverOf(const Letter& letter) { return nameOf(letter.actor, letter.path); }
std::string senderOf(const Letter& letter) { return nameOf(letter.sender, letter.senderPath); }

void describeMessage(Letter& letter) {
  letter.messageBytes = letter.message.size();
  try {
    for (const BlockRef& block : blocksOf(letter.message))
      letter.lostBodyBytes += std::uint64_t{block.words} * sizeof(capnp::word);
    const auto words = wordsOf(letter.message);
    const IncomingMessage message({words.begin(), words.size()});
    const auto envelope = message.envelope();
    letter.call = envelope.isCall();
    if (letter.call) {
      letter.interfaceId = envelope.getCall().getInterface();
      letter.method = envelope.getCall().getMethod();
    } else if (envelope.isCast()) {
      letter.interfaceId = envelope.getCast().getInterface();
      letter.method = envelope.getCast().getMethod();
    }
  } catch (const kj::Exception&) {}
}

void write(DeadLetter::Builder to, const Letter& letter, LetterPart part) {
  to.setNumber(letter.number);
  to.setTime(std::chrono::duration_cast<Nanoseconds>(letter.time.time_since_epoch()).count());
  to.setActor(letter.actor);
  to.setPath(letter.path.c_str());
  to.setSender(letter.sender);
  to.setSenderPath(letter.senderPath.c_str());
  to.setSenderGeneration(letter.senderGeneration);
  to.setInterface(letter.interfaceId);
  to.setMethod(letter.method);
  to.setMethodName(letter.methodName.c_str());
  to.setCall(letter.call);
  write(to.initReason(), letter.reason);
  to.setAttempts(letter.attempts);
  to.setMessageBytes(letter.messageBytes);
  to.setLostBodyBytes(letter.lostBodyBytes);
  if (part == LetterPart::headOnly) return;
  to.setMessage({reinterpret_cast<const kj::byte*>(letter.message.data()), letter.message.size()});
}

Letter read(DeadLetter::Reader from) {
  Letter letter;
  letter.number = from.getNumber();
  letter.time = std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(Nanoseconds(from.getTime())));
  letter.actor = from.getActor();
  letter.path = textOf(from.getPath());
  letter.sender = from.getSender();
  letter.senderPath = textOf(from.getSenderPath());
  letter.senderGeneration = from.getSenderGeneration();
  letter.interfaceId = from.getInterface();
  letter.method = from.getMethod();
  letter.methodName = textOf(from.getMethodName());
  letter.call = from.getCall();
  letter.reason = read(from.getReason());
  letter.attempts = from.getAttempts();
  letter.messageBytes = from.getMessageBytes();
  letter.lostBodyBytes = from.getLostBodyBytes();
  const auto message = from.getMessage();
  const auto* first = reinterpret_cast<const std::byte*>(message.begin());
  letter.message.assign(first, first + message.size());
  return letter;
}

std::vector<std::byte> encodeLetter(const Letter& letter) {
  capnp::MallocMessageBuilder message;
  write(message.initRoot<DeadLetter>(), letter);
  return flatBytes(message);
}

Letter decodeLetter(std::span<const std::byte> bytes) {
  try {
    const FlatMessage message(bytes);
    return read(message.root<DeadLetter>());
  } catch (const kj::Exception& exception) {
    throw Error(ErrorKind::invalid,
                std::string("it is no dead letter: ") + exception.getDescription().cStr());
  }
}

}  // namespace troupe::wire
