// How a process that waits becomes an actor: the newer one of an upgrade, a hot spare, and one that has been another instance of
// its template before.
#include <troupe/error.h>

#include <csignal>

#include "actor/actor_process.h"
#include "actor/describe_exception.h"
#include "actor/spec_codec.h"
#include "mailbox/desk_layout.h"
#include "os/channel.h"
#include "os/kill_point.h"
#include "os/output.h"
#include "os/packet_pipe.h"
#include "os/process.h"
#include "os/shared_memory.h"
#include "os/signals.h"
#include "os/title.h"
#include "wire/reason_codec.h"

namespace troupe::actor {

std::string titleOf(const std::string& path, const std::string& program) {
  return path + " (" + program + ")";
}

namespace {

void takeOver(Assignment& assignment, wire::ReceivedControl& order) {
  assignment.generation = order->getTakeOver();
  assignment.ends = wire::takeEnds(order);
  assignment.tookOver = true;
  os::killPoint("tookOver");
}

// A spare, which had no name up to now, or the next instance.
void become(Assignment& assignment, wire::ReceivedControl& order) {
  const auto who = order->getBecome();
  assignment.path = wire::toString(who.getPath());
  assignment.id = who.getActor();
  assignment.generation = who.getGeneration();
  assignment.maxMessageBytes = who.getMaxMessageBytes();
  // First, since the ends that are not there leave no gap.
  if (who.hasArguments()) assignment.arguments = read(who.getArguments(), order);
  if (!who.getKept()) {
    assignment.memory = {};
    assignment.ends = wire::takeEnds(order);
  } else if (!assignment.ends.desk.valid()) {
    throw Error(ErrorKind::invalid, "starting " + assignment.path + ": its process has no mailbox left");
  }
  os::setTitle(titleOf(assignment.path, assignment.program));
  os::setKillPath(assignment.path);
  os::killPoint("became");
}

// Makes all that the actor's process will be made of, and drops it: the pages that this writes to are this process's own from then
// on, and those that it reads are mapped. Nobody waits for that now.
void rehearse(const Assignment& assignment) {
  auto [ours, nobodys] = os::makeChannel();
  const os::Fd mailbox = os::makePacketPipe();
  const os::Fd reply = os::makePacketPipe();
  ActorProcess process({.path = assignment.path,
                        .id = 0,
                        .generation = 0,
                        .control = std::move(ours),
                        .ends = {os::openReadEnd(mailbox), os::openReadEnd(reply),
                                 os::makeSharedMemory("troupe-desk", mailbox::kDeskBytes), os::Fd()},
                        .maxMessageBytes = 0,
                        .actorClass = assignment.actorClass,
                        .factory = {},
                        .arguments = {}});
  process.loop().post([&process] { process.loop().stop(); });
  process.loop().run();
}

// Where its supervisor does not read just now, this waits: nobody else would say it.
void say(const os::Fd& control, wire::ControlMessage message) {
  const auto bytes = message.encode();
  for (;;) {
    const auto state = os::sendOn(control.get(), bytes);
    if (state == os::ChannelState::closed) os::endProcess(1);
    if (state == os::ChannelState::done) return;
    os::waitWritable(control.get(), std::chrono::milliseconds(100));
  }
}

// One message at a time: those behind it are for the actor. There is nothing else to wait for, and an event loop would cost what the
// actor's own does.
wire::ReceivedControl nextOf(const os::Fd& control) {
  for (;;) {
    os::ChannelMessage message;
    os::waitForMessage(control.get());
    const auto state = os::receiveFrom(control.get(), message);
    if (state == os::ChannelState::closed) os::endProcess(1);
    if (state == os::ChannelState::done) return wire::ControlLane::unpacked(message);
  }
}

}  // namespace

void failToStart(const os::Fd& control, const std::string& text, int error) {
  wire::ControlMessage message;
  wire::write(message->initLeaving(), {.kind = ExitKind::notStarted, .code = error, .text = text});
  say(control, std::move(message));
  os::endProcess(1);
}

void orFailToStart(const os::Fd& control, const std::function<void()>& step) {
  try {
    step();
  } catch (const Error& error) {
    failToStart(control, error.message(), error.systemError());
  } catch (...) {
    failToStart(control, describe(std::current_exception()), 0);
  }
}

void awaitTakeOver(Assignment& assignment) {
  if (assignment.ends.desk.valid()) return;
  if (!assignment.unrehearsed) {
    rehearse(assignment);
    os::killPoint("prepared");
    wire::ControlMessage prepared;
    prepared->setPrepared();
    say(assignment.control, std::move(prepared));
  }
  for (;;) {
    wire::ReceivedControl received = nextOf(assignment.control);
    if (received->isStop()) os::endProcess(0);
    if (received->isBecome()) return become(assignment, received);
    if (received->isTakeOver()) return takeOver(assignment, received);
  }
}

void awaitNext(Assignment& assignment, const ExitReason& before) {
  detail::Strand::current() = nullptr;
  os::flushOutput();
  os::setTitle(titleOf(assignment.path + ":resting", assignment.program));
  os::killPoint("resting");
  wire::ControlMessage message;
  auto resting = message->initResting();
  wire::write(resting.initReason(), before);
  resting.setKeepsEnds(assignment.ends.desk.valid());
  say(assignment.control, std::move(message));
  os::unblock(SIGTERM);
  os::killPoint("rests");
  orFailToStart(assignment.control, [&assignment] {
    // All that comes before the call was for the last one, `stop` too.
    for (;;) {
      wire::ReceivedControl received = nextOf(assignment.control);
      if (received->isBecome()) return become(assignment, received);
    }
  });
}

}  // namespace troupe::actor
