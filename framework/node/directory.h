// The directory: owns every mailbox, reply lane and desk of the app, by the paths of the actors, and gives out their ends. It lives
// in the root, so what it owns survives every other process.
//
// State of an entry: claimed (a process has its ends, or is about to) -> down (unsettled until its desk was dealt with) -> claimed
// again, or gone for good: then it is closed, and all who were introduced to it are told.
// Order:   what happened is told in the order in which it happened: first the failed calls, then the end, then that it has gone.
//          Where a dying process still holds the desk, its failed calls are told as soon as it has let go.
// Errors:  every question is answered, also those to supervisors that die meanwhile.
// Trust:   a process may speak only for itself, a supervisor only for what lies below it; anything else is refused.
// Threads: the root's loop.
#pragma once

#include <troupe/error.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "loop/loop.h"
#include "mailbox/destination.h"
#include "node/entry.h"
#include "wire/arena_view.h"
#include "wire/control_message.h"
#include "wire/letter.h"

namespace troupe::mailbox {
struct Settlement;
}

namespace troupe::node {

class Directory {
 public:
  struct Hooks {
    // To the process that the message's `to` names; "/" is the top supervisor.
    std::function<void(wire::ControlMessage)> send;
    std::function<void(const std::string&)> warn;
    // A message that nobody handles any more. Number, time and method are still to be added.
    std::function<void(wire::Letter)> dead = [](const wire::Letter&) {};
    // Large messages of so many bytes, with their framing, are handed to dead() whole.
    std::size_t mostLetterBytes = 0;
  };
  Directory(loop::Loop& loop, Hooks hooks);

  // A message from the process at its `from`; empty: the top supervisor.
  void onMessage(wire::ReceivedControl& message);

  std::size_t size() const { return byId_.size(); }
  const std::map<std::string, Entry*>& entries() const { return byPath_; }
  // Puts the message into the mailbox that it was for, as a cast: nobody waits for its answer any more.
  // Errors: gone (the actor), overloaded (its mailbox is full), invalid (it is malformed).
  void resend(const wire::Letter& letter);
  // The end of a channel into which that actor's process shows its messages from now on (actor/tap.h). Not set: it has none now.
  // Errors: gone (no such actor), invalid (one that takes no messages itself).
  os::Fd tap(const std::string& path);

 private:
  // A request that was passed on to a supervisor.
  struct Passed {
    std::string asker;
    std::uint64_t request = 0;
    std::string supervisor;
  };

  struct Gone {
    wire::ActorId id = 0;
    std::string path;
    ExitReason reason;
  };
  // One that has gone for good, and whose last process may be dying still.
  struct Leaving {
    std::unique_ptr<Entry> entry;
    ExitReason reason;
    loop::Clock::time_point since;
    bool inherited = false;
    bool readOnly = false;  // its mailbox: this process could not write to it any more
  };

  struct Undelivered {
    mailbox::Destination to;
    std::vector<std::byte> packet;
  };

  void handle(const std::string& from, wire::ReceivedControl& message);
  Entry* byPath(const std::string& path);
  Entry* byId(wire::ActorId id);
  void answer(const std::string& to, std::uint64_t request, wire::ControlMessage message);
  void fail(const std::string& to, std::uint64_t request, const Error& error);
  void notify(wire::ActorId whom, wire::ControlMessage message);

  // directory.cc: from supervisors
  void onClaim(const std::string& from, wire::ReceivedControl& message);
  // And whether it has the ends that the claim names.
  std::pair<Entry*, bool> entryFor(const std::string& path, const std::string& supervisor,
                                   wire::Control::Claim::Reader claim);
  void checkName(const Entry* entry, const std::string& path, const std::string& name);
  void makeEnds(Entry& entry);
  bool grant(Entry& entry, const std::string& supervisor, std::uint64_t request, bool kept = false);
  const os::Fd& mailboxOf(const Entry& entry);
  void onStarted(const std::string& from, wire::Control::Started::Reader started);
  void onUp(const std::string& from, wire::Control::Up::Reader up);
  void onEnded(const std::string& from, wire::Control::Ended::Reader ended);
  void endAllBelow(const Entry& supervisor);
  void end(Entry& entry, const ExitReason& reason);
  void onForget(const std::string& from, wire::Control::Forget::Reader message);
  void forget(const std::string& path, const ExitReason& reason);
  void close(Entry& entry, const ExitReason& reason);
  void failPassed(const std::string& supervisor, const ExitReason& reason);
  std::optional<mailbox::Settlement> settleDesk(Entry& entry);
  bool settle(Entry& entry);
  void tellCallers(const Entry& entry, const mailbox::Settlement& settlement);
  void giveUp(const Entry& entry, mailbox::Settlement& settlement);
  void bury(const Entry& entry, const ExitReason& reason);
  bool buryMailbox(const Entry& entry, const ExitReason& reason);
  void buryPacket(wire::Letter letter, std::span<const std::byte> packet);
  void buryLate(wire::ActorId actor, std::span<const std::byte> packet);
  wire::ActorId targetOf(const Entry& entry);
  std::string pathOf(wire::ActorId actor);
  void nameSender(wire::Letter& letter, wire::ActorId sender);
  void onUndeliverable(const std::string& from, wire::Control::Undeliverable::Reader message);
  void lookSoon();
  void lookAgain();
  bool settleWaiting();
  std::size_t unfinished() const;

  // images.cc: the programs that actors were upgraded to
  void offerImage(Entry& entry, wire::ReceivedControl& message);
  void grantImage(Entry& entry, wire::ControlMessage& granted);
  void adoptImage(Entry& entry);
  void settleImage(Entry& entry, std::uint64_t tookOver);

  // leaving.cc: the last acts of those that have gone for good
  bool deliver();
  bool finishLeaving();
  bool leave(Leaving& leaving);
  bool inherit(const Entry& gone);
  bool buryLast(Leaving& leaving);
  bool awaitsAnswers(wire::ActorId whom) const;

  // resting_ends.cc: of processes that are one actor after the other
  void endResting(Entry& gone);
  void keepEnds(Entry& gone);
  bool reuseEnds(Entry& entry, const std::string& supervisor, wire::Control::Claim::Reader claim);
  void dropRestingEnds(const std::string& supervisor);

  // acquaintances.cc
  void introduce(Entry& whom, Entry& to);
  void introduceCallers(Entry& entry);
  void forgetAcquaintances(Entry& entry);
  void endAcquaintances(const Entry& gone);

  // questions.cc: from anybody
  void onFind(const std::string& from, wire::ReceivedControl& message);
  Entry* lookUp(const std::string& from, const std::string& name);
  void onIntroduce(const std::string& from, wire::ReceivedControl& message);
  void onManage(const std::string& from, wire::ReceivedControl& message);
  void onManaged(const std::string& from, wire::ReceivedControl& message);
  const Gone* findGone(wire::ActorId id) const;
  void introduceArena(Entry& asker, Entry* entry, wire::ReceivedControl& message);
  Error goneError(wire::ActorId id) const;

  // watching.cc: who is told of whose end
  void onWatch(const std::string& from, wire::ReceivedControl& message);
  void onWatchProcess(const std::string& from, wire::ReceivedControl& message);
  void onUnwatch(const std::string& from, wire::ActorId actor);
  void tellWatchers(Entry& entry, const ExitReason& reason, bool final);
  void tellReplaced(const Entry& entry, std::span<const std::uint32_t> generations, const ExitReason& reason);
  void stopWatching(Entry& entry);

  // bodies.cc: large messages, and the arenas that they lie in
  void makeArena(Entry& entry, std::size_t limit);
  const os::Fd* arenaOf(wire::ActorId actor);
  void forEachBlockTo(const Entry& to, wire::Lane lane,
                      const std::function<void(const wire::ArenaView&, wire::BlockRef)>& each);
  void freeBlocksTo(const Entry& to, wire::Lane lane);
  std::vector<std::byte> copyWhole(wire::ActorId sender, std::span<const wire::BlockRef> blocks);
  void freeBlocks(wire::ActorId sender, std::span<const wire::BlockRef> blocks);
  void settleBlocks(wire::ActorId sender, std::span<const wire::BlockRef> blocks, bool again);
  void settleBlocksTo(const Entry& gone, Entry* pool);
  void freeUndeliverable(wire::ActorId actor, std::span<const std::byte> packet);
  void freeBlocksIn(std::span<const std::byte> packet);
  void sendBlocks(const os::Fd& arena, mailbox::Destination to, std::span<const std::byte> packet);
  void settleDoubts(wire::ActorId sender, const os::Fd& arena, std::span<const wire::BlockRef> unsent);
  bool isForNobody(wire::ActorId actor);
  bool isOnItsWay(wire::ActorId sender, const wire::ArenaView::Block& block);
  void retireArena(Entry& entry);
  void lookAtRetired();

  loop::Loop& loop_;
  Hooks hooks_;
  wire::ActorId lastId_ = 0;
  std::uint64_t lastPassed_ = 0;
  std::unordered_map<wire::ActorId, std::unique_ptr<Entry>> byId_;
  std::map<std::string, Entry*> byPath_;  // ordered, so that what lies below a path is one stretch
  std::unordered_map<std::string, wire::ActorId> names_;
  std::deque<Gone> gone_;  // the last ones
  std::vector<WaitingClaim> waiting_;
  std::unordered_map<std::uint64_t, Passed> passed_;
  std::vector<Leaving> leaving_;
  // Messages that those who have gone for good left, on their way.
  std::deque<Undelivered> undelivered_;
  // Looks at what can't be finished yet: soon, then ever more seldom as long as nothing of it moves.
  loop::Timer again_;
  loop::Clock::time_point lookAt_ = loop::Clock::time_point::max();
  loop::Duration lookIn_ = {};
  std::unordered_map<wire::ActorId, RestingEnds> restingEnds_;
  std::vector<RetiredArena> retired_;
  loop::Timer retiredAgain_;
};

}  // namespace troupe::node
