// A directory without any process: what would come from processes is said by the test, and what would go to
// them is noted.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "node/directory.h"
#include "os/packet_pipe.h"
#include "os/shared_memory.h"
#include "tests/unit/wire/messages.h"
#include "wire/reason_codec.h"

namespace troupe::node {

using wire::Control;
using wire::ControlMessage;
using wire::ReceivedControl;
using wire::Role;

// What a process has been given; as long as it has the desk, the desk is locked.
struct Given {
  wire::ActorId id = 0;
  std::uint32_t generation = 0;
  os::Fd mailbox;
  os::Fd reply;
  os::Fd desk;
  os::Fd arena = {};
  os::Fd image = {};
  bool kept = false;  // without descriptors: its process has them
};

struct Claimed {
  Role role = Role::actor;
  std::string name = {};
  std::vector<std::uint64_t> interfaces = {};
  bool takesOver = false;
  os::Fd image = {};
  wire::ActorId resting = 0;
  std::size_t mailboxBytes = 0;
  std::size_t maxMessageBytes = 0;
};

class DirectoryFixture : public testing::Test {
 protected:
  DirectoryFixture()
      : directory_(
            loop_,
            {.send = [this](ControlMessage message) { sent_.push_back(ReceivedControl::looped(message)); },
             .warn = [this](const std::string& what) { warnings_.push_back(what); },
             .dead = [this](wire::Letter letter) { dead_.push_back(std::move(letter)); },
             .mostLetterBytes = 1 << 20}) {}

  using Fill = std::function<void(Control::Builder)>;
  // What the process at `from` says; its answers, and all else that was sent, go to sent_.
  void say(const std::string& from, const Fill& fill, os::Fd descriptor = {}) {
    ControlMessage message;
    message->setFrom(from.c_str());
    message->setRequest(++request_);
    fill(message.root());
    if (descriptor.valid()) message.attach(std::move(descriptor));
    auto received = ReceivedControl::looped(message);
    directory_.onMessage(received);
  }

  void sayClaim(const std::string& path, const Claimed& what, const std::string& from) {
    const auto fill = [&](Control::Builder root) {
      auto claim = root.initClaim();
      claim.setTakesOver(what.takesOver);
      claim.setResting(what.resting);
      claim.setMailboxBytes(what.mailboxBytes);
      claim.setMaxMessageBytes(what.maxMessageBytes);
      claim.setImage(what.image.valid());
      claim.setPath(path.c_str());
      claim.setRole(static_cast<std::uint8_t>(what.role));
      claim.setName(what.name.c_str());
      auto list = claim.initInterfaces(static_cast<unsigned>(what.interfaces.size()));
      for (unsigned i = 0; i < list.size(); ++i) list.set(i, what.interfaces[i]);
    };
    say(from, fill, what.image.valid() ? what.image.duplicate() : os::Fd());
  }
  static std::string parentOf(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
  }
  // Claims and expects to be granted.
  Given claim(const std::string& path, const Claimed& what = {}) {
    sayClaim(path, what, parentOf(path));
    return given();
  }
  Given claimSupervisor(const std::string& path) { return claim(path, {.role = Role::supervisor}); }
  // Takes the `granted` that was sent last.
  Given given() {
    Given given;
    if (sent_.empty() || !sent_.back()->isGranted()) {
      ADD_FAILURE() << "nothing was granted: " << log();
      return given;
    }
    auto& message = sent_.back();
    given.id = message->getGranted().getActor();
    given.generation = message->getGranted().getGeneration();
    given.image = wire::takeImage(message);
    given.kept = message->getGranted().getKept();
    if (message.has(0)) given.mailbox = message.take(0);
    if (message.has(1)) given.reply = message.take(1);
    if (message.has(2)) given.desk = message.take(2);
    if (message.has(3)) given.arena = message.take(3);
    sent_.pop_back();
    return given;
  }
  // Claims and expects to be refused; with this error.
  Error refused(const std::string& path, const Claimed& what, const std::string& from) {
    sayClaim(path, what, from);
    return failure();
  }
  Error failure() {
    if (sent_.empty() || !sent_.back()->isFailed()) {
      ADD_FAILURE() << "nothing was refused: " << log();
      return Error(ErrorKind::system, "");
    }
    const Error error = wire::read(sent_.back()->getFailed());
    sent_.pop_back();
    return error;
  }

  void ended(const Given& process, const ExitReason& reason, const std::string& from = "/",
             bool keepsEnds = false) {
    say(from, [&](Control::Builder root) {
      auto ended = root.initEnded();
      ended.setActor(process.id);
      ended.setGeneration(process.generation);
      ended.setKeepsEnds(keepsEnds);
      wire::write(ended.initReason(), reason);
    });
  }
  // Its descriptors are closed first, as the kernel does it.
  void dies(Given& process, const ExitReason& reason, const std::string& from = "/") {
    process.desk.reset();
    ended(process, reason, from);
  }
  void forget(const std::string& path, const ExitReason& reason = {}, const std::string& from = "/") {
    say(from, [&](Control::Builder root) {
      auto forget = root.initForget();
      forget.setPath(path.c_str());
      wire::write(forget.initReason(), reason);
    });
  }
  void up(const Given& supervisor, const std::string& from = "/") {
    say(from, [&](Control::Builder root) {
      auto up = root.initUp();
      up.setActor(supervisor.id);
      up.setGeneration(supervisor.generation);
    });
  }
  void watch(const std::string& from, const Given& actor) {
    say(from, [&](Control::Builder root) { root.setWatch(actor.id); });
  }
  // The end that the process at `from` is introduced to.
  os::Fd introduced(const std::string& from, const Given& actor, wire::Lane lane = wire::Lane::mailbox) {
    say(from, [&](Control::Builder root) {
      root.initIntroduce().setActor(actor.id);
      root.getIntroduce().setLane(static_cast<std::uint8_t>(lane));
    });
    if (sent_.empty() || !sent_.back()->isIntroduced() || !sent_.back().has(0)) return {};
    os::Fd end = sent_.back().take(0);
    sent_.pop_back();
    return end;
  }

  // All that was sent since it was last asked: "/a: down 2 (exit code 3)", one a line.
  std::string log() {
    std::string lines;
    for (auto& message : sent_) lines += wire::toString(message->getTo()) + ": " + describe(message) + "\n";
    sent_.clear();
    return lines;
  }
  static std::string describe(ReceivedControl& message) {
    switch (message->which()) {
      case Control::DOWN:
        return std::string(message->getDown().getFinal() ? "gone for good " : "down ") +
               wire::toString(message->getDown().getPath()) + " (" +
               wire::read(message->getDown().getReason()).toString() + ")";
      case Control::GONE:
        return "gone " + std::to_string(message->getGone().getActor()) + " (" +
               wire::read(message->getGone().getReason()).toString() + ")";
      case Control::CALL_FAILED:
        return "call " + std::to_string(message->getCallFailed().getCall()) + " failed at " +
               wire::toString(message->getCallFailed().getCallee()) + " (" +
               wire::read(message->getCallFailed().getReason()).toString() + ")";
      case Control::FAILED: return "failed: " + wire::read(message->getFailed()).message();
      case Control::GRANTED: return "granted " + std::to_string(message->getGranted().getGeneration());
      case Control::WATCHING: return "watching";
      case Control::MANAGE: return "manage from " + wire::toString(message->getFrom());
      case Control::MANAGED: return "managed";
      case Control::DROP_ENDS: return "drop ends of " + std::to_string(message->getDropEnds());
      case Control::FOUND: return "found " + wire::toString(message->getFound().getPath());
      default: return "message " + std::to_string(static_cast<int>(message->which()));
    }
  }

  loop::Loop loop_;
  std::vector<ReceivedControl> sent_;
  std::vector<std::string> warnings_;
  std::vector<wire::Letter> dead_;
  std::uint64_t request_ = 100;
  Directory directory_;
};

}  // namespace troupe::node
