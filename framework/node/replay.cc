#include "node/replay.h"

#include <capnp/dynamic.h>
#include <capnp/pretty-print.h>
#include <capnp/schema-loader.h>
#include <capnp/schema.capnp.h>
#include <troupe/error.h>

#include <array>
#include <cstdio>
#include <set>

#include "actor/actor_process.h"
#include "mailbox/desk_layout.h"
#include "os/file.h"
#include "os/packet_pipe.h"
#include "os/process.h"
#include "os/shared_memory.h"
#include "wire/arena_memory.h"
#include "wire/control_lane.h"
#include "wire/flat_message.h"
#include "wire/letter.h"
#include "wire/message.h"
#include "wire/reason_codec.h"

namespace troupe::node {

namespace {

constexpr const char* kOption = "--troupe-replay";
constexpr std::size_t kMostFileBytes = std::size_t{256} << 20;
// Who the message comes from: nobody whom an actor could have been introduced to.
constexpr wire::ActorId kCaller = ~wire::ActorId{0};
constexpr const char* kNotHere = "not available in a replay";

wire::Letter readLetter(const std::string& file) {
  try {
    return wire::decodeLetter(os::readWholeFile(file, kMostFileBytes));
  } catch (const Error& error) {
    throw Error::restored(error.kind(), "replaying " + file + ": " + error.message(), {},
                          error.systemError());
  }
}

// As a call that waits for ever, so that the end of a cast shows too.
std::vector<std::byte> packetOf(const wire::Letter& letter, wire::ArenaMemory& arena) {
  try {
    const auto words = wire::wordsOf(letter.message);
    const wire::IncomingMessage incoming({words.begin(), words.size()});
    if (incoming.isLarge())
      throw Error(ErrorKind::invalid, "the message of the dead letter was large, and its body is not kept");
    wire::OutgoingMessage outgoing(&arena);
    outgoing.body().set(incoming.checkedBody());
    auto call = outgoing.envelope().initCall();
    call.setInterface(letter.interfaceId);
    call.setMethod(letter.method);
    call.setCall(1);
    wire::PacketBuilder packet;
    const auto message = outgoing.finish("the message of the dead letter");
    for (const wire::BlockRef& block : wire::blocksOf(message)) {
      arena.open()->sending(block, {.actor = letter.actor, .lane = 0});
      arena.open()->sent(block);
    }
    packet.append(message);
    const auto bytes = packet.finish(kCaller, 1, 1);
    return {bytes.begin(), bytes.end()};
  } catch (const kj::Exception& exception) {
    throw Error(ErrorKind::invalid,
                std::string("the message of the dead letter is malformed, and no handler gets to see it: ") +
                    exception.getDescription().cStr());
  }
}

void load(capnp::SchemaLoader& loader, const capnp::_::RawSchema* schema,
          std::set<const capnp::_::RawSchema*>& loaded) {
  if (!loaded.insert(schema).second) return;
  loader.loadOnce(capnp::readMessageUnchecked<capnp::schema::Node>(schema->encodedNode));
  for (unsigned i = 0; i < schema->dependencyCount; ++i) load(loader, schema->dependencies[i], loaded);
}

std::string textOf(capnp::AnyPointer::Reader results, const detail::ActorClass& actorClass,
                   const wire::Letter& letter) {
  try {
    capnp::SchemaLoader loader;
    std::set<const capnp::_::RawSchema*> loaded;
    for (const auto* schema : actorClass.schemas) load(loader, schema, loaded);
    const auto methods = loader.get(letter.interfaceId).asInterface().getMethods();
    const auto type = methods[letter.method].getResultType();
    return capnp::prettyPrint(results.getAs<capnp::DynamicStruct>(type)).flatten().cStr();
  } catch (const kj::Exception& exception) {
    return std::string("(can't be shown: ") + exception.getDescription().cStr() + ")";
  }
}

// All that there is around the actor: whoever sent the message, and what stands for the rest of the app.
class Surroundings {
 public:
  Surroundings(const supervision::Blueprint& part, wire::Letter letter)
      : letter_(std::move(letter)),
        arena_(
            os::makeSharedMemory("troupe-arena", wire::arenaBytesFor(part.declaration.spec.maxMessageBytes))),
        class_(*part.actorClass) {
    // The handler alone is to be seen.
    class_.run = nullptr;
    class_.stopping = nullptr;
    const auto packet = packetOf(letter_, callersArena_);
    os::writePacket(mailbox_.get(), packet.data(), packet.size());
    auto [theirs, mine] = os::makeChannel();
    control_ = std::move(mine);
    os::Fd desk = os::makeGrowingMemory("troupe-desk", mailbox::kDeskBytes);
    os::tryLock(desk);
    process_ = new actor::ActorProcess({.path = letter_.path,
                                        .id = letter_.actor,
                                        .generation = 1,
                                        .control = std::move(theirs),
                                        .ends = {os::openReadEnd(mailbox_), os::openReadEnd(reply_),
                                                 std::move(desk), os::openSharedMemory(arena_)},
                                        .maxMessageBytes = part.declaration.spec.maxMessageBytes,
                                        .actorClass = &class_,
                                        .factory = part.factory,
                                        .arguments = {},
                                        .leaving = [this](const ExitReason& reason) { onLeaving(reason); }});
  }

  [[noreturn]] void run() {
    wire::ControlLane lane(
        process_->loop(), std::move(control_),
        {.message = [this](wire::ReceivedControl& message) { onMessage(message); },
         .closed = [] {},
         .fault = [](const std::string& what) { std::fprintf(stderr, "%s\n", what.c_str()); },
         .stuck = [] {}});
    lane_ = &lane;
    const loop::Poll answers(process_->loop(), answers_.get(), loop::Interest::readable,
                             [this](bool, bool) { readAnswer(); });
    process_->run();
    os::endProcess(1);
  }

 private:
  void onMessage(wire::ReceivedControl& message) {
    switch (message->which()) {
      case wire::Control::READY:
        if (message->getReady().getIgnored()) end("its init() says that there is nothing to do", 1);
        return;
      case wire::Control::INTRODUCE:
        if (message->getIntroduce().getActor() == kCaller) return introduceCaller(message);
        return refuse(message, "actor " + std::to_string(message->getIntroduce().getActor()));
      case wire::Control::FIND:
        return refuse(message, "finding \"" + wire::toString(message->getFind().getName()) + "\"");
      case wire::Control::WATCH:
        return refuse(message, "watching actor " + std::to_string(message->getWatch()));
      case wire::Control::WATCH_PROCESS:
        return refuse(message,
                      "watching a process of actor " + std::to_string(message->getWatchProcess().getActor()));
      case wire::Control::MANAGE:
        return refuse(message,
                      "asking the supervisor " + wire::toString(message->getManage().getSupervisor()));
      default: return;
    }
  }

  void introduceCaller(wire::ReceivedControl& question) {
    wire::ControlMessage answer;
    answer->setRequest(question->getRequest());
    answer->initIntroduced();
    const bool arena = question->getIntroduce().getLane() == static_cast<std::uint8_t>(wire::Lane::arena);
    answer.attach(arena ? os::openSharedMemory(callersMemory_) : os::openWriteEnd(answers_));
    lane_->send(std::move(answer));
  }

  void refuse(wire::ReceivedControl& question, const std::string& what) {
    wire::ControlMessage answer;
    answer->setRequest(question->getRequest());
    wire::write(answer->initFailed(), Error::gone(what + ": " + kNotHere, {}));
    lane_->send(std::move(answer));
  }

  void readAnswer() {
    alignas(8) std::array<std::byte, os::kPacketBytes> bytes;
    const os::PacketRead read = os::readPacket(answers_.get(), bytes.data());
    wire::PacketView packet;
    if (read.state != os::PipeState::done ||
        wire::PacketView::parse(bytes.data(), read.bytes, packet) != wire::PacketFault::none)
      return;
    wire::IncomingMessage message(packet.message(0));
    if (message.isLarge()) attachBody(message, wire::blocksOf(packet.message(0)));
    const auto envelope = message.envelope();
    if (envelope.isError()) {
      const auto error = envelope.getError();
      end(std::string(toString(wire::errorKind(error.getKind()))) + ": " + wire::toString(error.getMessage()),
          0);
    }
    end(letter_.call ? "reply: " + textOf(message.checkedBody(), class_, letter_) : "handled", 0);
  }

  // The process ends with the answer: nobody frees its body.
  void attachBody(wire::IncomingMessage& message, const std::vector<wire::BlockRef>& blocks) {
    body_ = os::Mapping(arena_, os::sizeOf(arena_));
    const wire::ArenaView view({static_cast<std::byte*>(body_.data()), body_.bytes()});
    std::vector<std::span<const capnp::word>> segments;
    for (const wire::BlockRef& block : blocks) {
      if (const auto content = view.content(block)) segments.push_back(*content);
    }
    message.attach(std::move(segments));
  }

  // The answer may have left just before.
  void onLeaving(const ExitReason& reason) {
    readAnswer();
    end(reason.toString(), 1);
  }

  [[noreturn]] static void end(const std::string& outcome, int code) {
    std::printf("%s\n", outcome.c_str());
    os::endProcess(code);
  }

  wire::Letter letter_;
  // Of whoever sent it, and of the actor.
  os::Fd callersMemory_ = os::makeSharedMemory("troupe-arena", wire::arenaBytesFor(letter_.message.size()));
  wire::ArenaMemory callersArena_{os::openSharedMemory(callersMemory_), 2 * letter_.message.size(), 1};
  os::Fd arena_;
  os::Mapping body_;
  detail::ActorClass class_;
  os::Fd mailbox_ = os::makePacketPipe();
  os::Fd reply_ = os::makePacketPipe();
  os::Fd answers_ = os::makePacketPipe();
  os::Fd control_;
  actor::ActorProcess* process_ = nullptr;  // never destroyed: the process ends under it
  wire::ControlLane* lane_ = nullptr;
};

}  // namespace

std::optional<std::string> fileToReplay(const std::vector<std::string>& arguments) {
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i] != kOption) continue;
    if (i + 1 == arguments.size())
      throw Error(ErrorKind::invalid, std::string(kOption) + ": the file of a dead letter must follow");
    return arguments[i + 1];
  }
  return std::nullopt;
}

void replay(const supervision::Blueprint& tree, const std::string& file) {
  wire::Letter letter = readLetter(file);
  const std::string id = letter.path.substr(letter.path.rfind('/') + 1);
  const auto* const part = supervision::findPart(tree, letter.path, id.substr(0, id.find(':')));
  if (part == nullptr || part->actorClass == nullptr) {
    throw Error(ErrorKind::invalid, "replaying " + file + ": it is for " + receiverOf(letter) +
                                        ", and main has declared no such actor");
  }
  std::fprintf(stderr, "replaying dead letter %llu: %s of %s\n",
               static_cast<unsigned long long>(letter.number), letter.methodName.c_str(),
               letter.path.c_str());
  Surroundings(*part, std::move(letter)).run();
}

}  // namespace troupe::node
