#include "node/directory.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "mailbox/desk_layout.h"
#include "mailbox/settle.h"
#include "node/names.h"
#include "os/packet_pipe.h"
#include "os/shared_memory.h"
#include "supervision/blueprint.h"
#include "wire/reason_codec.h"

namespace troupe::node {

using supervision::isWithin;

namespace {

constexpr loop::Duration kLookSoon = std::chrono::milliseconds(2);
constexpr loop::Duration kLookSeldom = std::chrono::milliseconds(100);
constexpr std::size_t kGoneRemembered = 4096;
constexpr std::uint32_t kMostRetries = 254;

os::Fd readEnd(os::Fd& first, const os::Fd& keeper) {
  return first.valid() ? std::move(first) : os::openReadEnd(keeper);
}

}  // namespace

Directory::Directory(loop::Loop& loop, Hooks hooks)
    : loop_(loop),
      hooks_(std::move(hooks)),
      again_(loop, [this] { lookAgain(); }),
      retiredAgain_(loop, [this] { lookAtRetired(); }) {}

Entry* Directory::byPath(const std::string& path) {
  const auto found = byPath_.find(path);
  return found == byPath_.end() ? nullptr : found->second;
}

Entry* Directory::byId(wire::ActorId id) {
  const auto found = byId_.find(id);
  return found == byId_.end() ? nullptr : found->second.get();
}

void Directory::answer(const std::string& to, std::uint64_t request, wire::ControlMessage message) {
  message->setTo(to.c_str());
  message->setRequest(request);
  hooks_.send(std::move(message));
}

void Directory::fail(const std::string& to, std::uint64_t request, const Error& error) {
  wire::ControlMessage message;
  wire::write(message->initFailed(), error);
  answer(to, request, std::move(message));
}

void Directory::notify(wire::ActorId whom, wire::ControlMessage message) {
  const Entry* const entry = byId(whom);
  if (entry == nullptr || !entry->claimed) return;
  message->setTo(entry->path.c_str());
  hooks_.send(std::move(message));
}

void Directory::onMessage(wire::ReceivedControl& message) {
  const std::string from = message->getFrom().size() == 0 ? "/" : wire::toString(message->getFrom());
  // The root must live on, whatever comes, and whatever the system has run out of.
  try {
    handle(from, message);
  } catch (const Error& error) {
    hooks_.warn("a control message of " + from + " could not be served: " + error.message());
  } catch (const kj::Exception& exception) {
    hooks_.warn("a malformed control message of " + from +
                " was dropped: " + exception.getDescription().cStr());
  }
}

void Directory::handle(const std::string& from, wire::ReceivedControl& message) {
  switch (message->which()) {
    case wire::Control::CLAIM: return onClaim(from, message);
    case wire::Control::STARTED: return onStarted(from, message->getStarted());
    case wire::Control::UP: return onUp(from, message->getUp());
    case wire::Control::ENDED: return onEnded(from, message->getEnded());
    case wire::Control::FORGET: return onForget(from, message->getForget());
    case wire::Control::FIND: return onFind(from, message);
    case wire::Control::INTRODUCE: return onIntroduce(from, message);
    case wire::Control::WATCH: return onWatch(from, message);
    case wire::Control::WATCH_PROCESS: return onWatchProcess(from, message);
    case wire::Control::UNWATCH: return onUnwatch(from, message->getUnwatch());
    case wire::Control::UNDELIVERABLE: return onUndeliverable(from, message->getUndeliverable());
    case wire::Control::MANAGE: return onManage(from, message);
    case wire::Control::MANAGED: return onManaged(from, message);
    default: hooks_.warn("a control message of " + from + " that the root does not know was dropped");
  }
}

// --- Claims ---

void Directory::onClaim(const std::string& from, wire::ReceivedControl& message) {
  const auto claim = message->getClaim();
  const std::string path = wire::toString(claim.getPath());
  try {
    if (path == from || parentOf(path) != from) {
      throw Error(ErrorKind::invalid, from + " claims " + path + ", which is no child of its");
    }
    const Entry* const supervisor = byPath(from);
    if (from != "/" && (supervisor == nullptr || !supervisor->claimed || !isSupervisor(supervisor->role))) {
      throw Error(ErrorKind::invalid, from + " claims " + path + ", and is no supervisor that runs");
    }
    if (claim.getRole() > static_cast<std::uint8_t>(wire::Role::pool)) {
      throw Error(ErrorKind::invalid,
                  from + " claims " + path + " for a role that this version does not know");
    }
    const auto [claimed, kept] = entryFor(path, from, claim);
    Entry& entry = *claimed;
    offerImage(entry, message);
    // As after its end: but its process has let go in order, and nobody hears of an end. Whom it knows it may have to do with again.
    if (claim.getTakesOver()) entry.unsettled = entry.letGo = true;
    // Who was to have the ends has died before it was started, and nobody looked at them since.
    if (entry.claimed && !isSupervisor(entry.role)) entry.unsettled = true;
    entry.attempts = std::min(claim.getRetries(), kMostRetries) + 1;
    entry.supervisorGeneration = supervisor == nullptr ? 0 : supervisor->generation;
    if (!grant(entry, from, message->getRequest(), kept)) {
      waiting_.push_back({entry.id, from, message->getRequest(), loop::Clock::now()});
      lookSoon();
    }
  } catch (const Error& error) {
    fail(from, message->getRequest(), error);
  }
}

void Directory::checkName(const Entry* entry, const std::string& path, const std::string& name) {
  if (name.empty()) return;
  const auto holder = names_.find(name);
  if (holder == names_.end() || (entry != nullptr && holder->second == entry->id)) return;
  throw Error(ErrorKind::invalid,
              "starting " + path + ": the name \"" + name + "\" is taken by " + byId(holder->second)->path);
}

std::pair<Entry*, bool> Directory::entryFor(const std::string& path, const std::string& supervisor,
                                            wire::Control::Claim::Reader claim) {
  Entry* existing = byPath(path);
  const std::string name = wire::toString(claim.getName());
  const auto role = static_cast<wire::Role>(claim.getRole());
  checkName(existing, path, name);
  if (existing != nullptr && existing->role != role) {
    close(*existing, {.kind = ExitKind::shutdown, .text = "another kind of child has taken its place"});
    existing = nullptr;
  }
  bool kept = false;
  if (existing == nullptr) {
    auto made = std::make_unique<Entry>();
    made->id = lastId_ + 1;
    made->path = path;
    made->role = role;
    made->mailboxBytes = claim.getMailboxBytes();
    kept = reuseEnds(*made, supervisor, claim);
    if (!kept) makeEnds(*made);
    existing = made.get();
    ++lastId_;
    byPath_.emplace(path, existing);
    byId_.emplace(existing->id, std::move(made));
  }
  if (!isSupervisor(role)) makeArena(*existing, claim.getMaxMessageBytes());
  if (existing->name != name) {
    names_.erase(existing->name);
    existing->name = name;
    if (!name.empty()) names_.emplace(name, existing->id);
  }
  existing->interfaces.clear();
  for (const std::uint64_t interfaceId : claim.getInterfaces()) existing->interfaces.push_back(interfaceId);
  return {existing, kept};
}

void Directory::makeEnds(Entry& entry) {
  if (entry.role == wire::Role::pool) entry.mailbox = os::makePacketPipe(entry.mailboxBytes);
  if (isSupervisor(entry.role)) return;
  if (entry.role == wire::Role::actor)
    std::tie(entry.mailbox, entry.firstMailboxEnd) = os::makeReadPipe(entry.mailboxBytes);
  std::tie(entry.reply, entry.firstReplyEnd) = os::makeReadPipe();
  entry.desk = os::makeGrowingMemory("troupe-desk", mailbox::kDeskBytes);
}

const os::Fd& Directory::mailboxOf(const Entry& entry) {
  if (entry.role != wire::Role::poolWorker) return entry.mailbox;
  const Entry* const pool = byPath(parentOf(entry.path));
  if (pool == nullptr || pool->role != wire::Role::pool) {
    throw Error(ErrorKind::invalid, entry.path + " is a pool's worker, and its supervisor is no pool");
  }
  return pool->mailbox;
}

// False where the desk is not free yet. Whoever gets the ends gets the lock on the desk with them: it lies in the description,
// so it holds while they are on their way, through the fork, and until the last process that has them is no more.
bool Directory::grant(Entry& entry, const std::string& supervisor, std::uint64_t request, bool kept) {
  wire::ControlMessage message;
  if (!isSupervisor(entry.role) && !kept) {
    if (entry.rests) endResting(entry);
    if (entry.unsettled && !settle(entry)) return false;
    if (std::exchange(entry.overtaken, false)) throw Error::gone(entry.path + " was upgraded meanwhile", {});
    os::Fd desk = os::openSharedMemory(entry.desk);
    if (!os::tryLock(desk)) return false;
    message.attach(readEnd(entry.firstMailboxEnd, mailboxOf(entry)));
    message.attach(readEnd(entry.firstReplyEnd, entry.reply));
    message.attach(std::move(desk));
    if (entry.arena.valid()) message.attach(os::openSharedMemory(entry.arena));
  }
  auto granted = message->initGranted();
  grantImage(entry, message);
  entry.claimed = true;
  entry.ready = false;
  granted.setActor(entry.id);
  granted.setGeneration(++entry.generation);
  granted.setKept(kept);
  answer(supervisor, request, std::move(message));
  introduceCallers(entry);
  return true;
}

void Directory::onStarted(const std::string& from, wire::Control::Started::Reader started) {
  Entry* const entry = byId(started.getActor());
  if (entry == nullptr || !isWithin(entry->path, from) || entry->generation != started.getGeneration())
    return;
  entry->pid = started.getPid();
  entry->lives.started(started.getGeneration(), started.getPid());
}

// A restarted supervisor is ready: what its earlier life had, and it has not claimed again, is no part of the tree any more.
void Directory::onUp(const std::string& from, wire::Control::Up::Reader up) {
  Entry* const entry = byId(up.getActor());
  if (entry == nullptr || !isWithin(entry->path, from) || entry->generation != up.getGeneration()) return;
  entry->ready = true;
  adoptImage(*entry);
  if (!isSupervisor(entry->role)) return;
  std::vector<std::string> left;
  for (auto it = byPath_.lower_bound(entry->path + "/");
       it != byPath_.end() && isWithin(it->first, entry->path); ++it) {
    const bool child = parentOf(it->first) == entry->path;
    if (child && it->second->supervisorGeneration != entry->generation) left.push_back(it->first);
  }
  for (const std::string& path : left) forget(path, {.kind = ExitKind::supervisorDied});
}

// --- Ends ---

void Directory::onEnded(const std::string& from, wire::Control::Ended::Reader ended) {
  Entry* const entry = byId(ended.getActor());
  if (entry == nullptr) {
    if (const auto resting = restingEnds_.find(ended.getActor());
        resting != restingEnds_.end() && resting->second.supervisor == from)
      restingEnds_.erase(resting);
    return;
  }
  if (!isWithin(entry->path, from) || entry->path == from) return;
  if (entry->generation != ended.getGeneration())
    return tellReplaced(*entry, entry->lives.ended(ended.getGeneration()), wire::read(ended.getReason()));
  if (!entry->claimed) return;
  if (isSupervisor(entry->role)) endAllBelow(*entry);
  entry->rests = ended.getKeepsEnds() && !isSupervisor(entry->role);
  end(*entry, wire::read(ended.getReason()));
}

// The processes below a supervisor that has died have been sent SIGKILL by the kernel.
void Directory::endAllBelow(const Entry& supervisor) {
  for (auto it = byPath_.lower_bound(supervisor.path + "/");
       it != byPath_.end() && isWithin(it->first, supervisor.path); ++it) {
    Entry& entry = *it->second;
    entry.rests = false;
    if (entry.claimed) end(entry, {.kind = ExitKind::supervisorDied});
    tellReplaced(entry, entry.lives.allEnded(), {.kind = ExitKind::supervisorDied});
  }
}

void Directory::end(Entry& entry, const ExitReason& reason) {
  entry.claimed = false;
  entry.ready = false;
  entry.pid = 0;
  entry.endReason = reason;
  entry.unsettled = !isSupervisor(entry.role);
  if (entry.unsettled && !settle(entry)) lookSoon();
  if (isSupervisor(entry.role)) {
    failPassed(entry.path, reason);
    dropRestingEnds(entry.path);
  }
  std::erase_if(waiting_, [&](const WaitingClaim& claim) {
    return isSupervisor(entry.role) && isWithin(claim.supervisor, entry.path);
  });

  tellWatchers(entry, reason, false);
  forgetAcquaintances(entry);
}

// Nothing where a process still has the desk, or the system has run out of what it takes to look.
std::optional<mailbox::Settlement> Directory::settleDesk(Entry& entry) {
  // One that rests has said that nothing lies there.
  if (entry.rests) return mailbox::Settlement();
  try {
    if (os::lockedByAnother(entry.desk)) return std::nullopt;
    auto settlement =
        mailbox::settle(entry.desk, entry.attempts, std::bind_front(&Directory::settleBlocks, this),
                        std::bind_front(&Directory::copyWhole, this));
    // A crash must not cost the actor more than its messages.
    if (settlement.ruined) entry.desk = os::makeGrowingMemory("troupe-desk", mailbox::kDeskBytes);
    return settlement;
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Tells the callers of the messages in hand, once no process can have the desk any more. False where it can't be looked at.
bool Directory::settle(Entry& entry) {
  auto settled = settleDesk(entry);
  if (!settled) return false;
  mailbox::Settlement& settlement = *settled;
  entry.unsettled = false;
  settleImage(entry, settlement.tookOver);
  // One that has let go still reads the replies that it has.
  if (!std::exchange(entry.letGo, false)) freeBlocksTo(entry, wire::Lane::reply);
  settleDoubts(entry.id, entry.arena, settlement.unsent);
  if (settlement.ruined)
    hooks_.warn(entry.path + " has overwritten its desk before it died: what lay on it is lost");
  if (settlement.dropped.size() > settlement.calls.size()) {
    hooks_.warn(entry.path + " died with " +
                std::to_string(settlement.dropped.size() - settlement.calls.size()) +
                " cast(s) in hand, which were dropped");
  }
  tellCallers(entry, settlement);
  giveUp(entry, settlement);
  return true;
}

// Not later than it would have: those who keep coming must not put it off.
void Directory::lookSoon() {
  lookIn_ = kLookSoon;
  lookAt_ = std::min(lookAt_, loop::Clock::now() + lookIn_);
  again_.startAt(lookAt_);
}

void Directory::lookAgain() {
  lookAt_ = loop::Clock::time_point::max();
  const std::size_t before = unfinished();
  bool more = true;
  try {
    more = settleWaiting();
  } catch (const Error& error) {
    hooks_.warn(error.message());
  }
  if (!more) return;
  if (unfinished() < before) return lookSoon();
  lookIn_ = std::min(2 * lookIn_, kLookSeldom);
  lookAt_ = loop::Clock::now() + lookIn_;
  again_.startAt(lookAt_);
}

std::size_t Directory::unfinished() const {
  const auto unsettled =
      std::ranges::count_if(byId_, [](const auto& each) { return each.second->unsettled; });
  return undelivered_.size() + leaving_.size() + waiting_.size() + static_cast<std::size_t>(unsettled);
}

// True where some have to wait still.
bool Directory::settleWaiting() {
  bool more = !finishLeaving();
  for (const auto& [id, entry] : byId_) {
    if (entry->unsettled && !settle(*entry)) more = true;
  }
  const auto now = loop::Clock::now();
  for (const WaitingClaim& claim : std::exchange(waiting_, {})) {
    Entry* const entry = byId(claim.entry);
    if (entry == nullptr) continue;
    try {
      if (grant(*entry, claim.supervisor, claim.request)) continue;
      if (now - claim.since > kDeskPatience) {
        throw Error(
            ErrorKind::system,
            "starting " + entry->path + ": a process still holds the desk of its predecessor (did it fork?)");
      }
      waiting_.push_back(claim);
      more = true;
    } catch (const Error& error) {
      fail(claim.supervisor, claim.request, error);
    }
  }
  return more;
}

void Directory::failPassed(const std::string& supervisor, const ExitReason& reason) {
  std::vector<Passed> failed;
  for (auto it = passed_.begin(); it != passed_.end();) {
    if (isWithin(it->second.supervisor, supervisor)) {
      failed.push_back(it->second);
      it = passed_.erase(it);
    } else {
      ++it;
    }
  }
  for (const Passed& passed : failed) {
    fail(passed.asker, passed.request,
         Error::gone("the supervisor " + passed.supervisor + " ended: " + reason.toString(), reason));
  }
}

// --- Going for good ---

void Directory::onForget(const std::string& from, wire::Control::Forget::Reader message) {
  const std::string path = wire::toString(message.getPath());
  if (isWithin(path, from) && path != from) forget(path, wire::read(message.getReason()));
}

// With all that lies below it, the deepest first.
void Directory::forget(const std::string& path, const ExitReason& reason) {
  std::vector<Entry*> going;
  for (auto it = byPath_.lower_bound(path); it != byPath_.end() && it->first.starts_with(path); ++it) {
    if (isWithin(it->first, path)) going.push_back(it->second);
  }
  for (auto it = going.rbegin(); it != going.rend(); ++it) close(**it, reason);
}

void Directory::close(Entry& entry, const ExitReason& reason) {
  if (entry.claimed) end(entry, reason);
  const bool known = entry.endReason != ExitReason{};
  const ExitReason& told = known ? entry.endReason : reason;
  tellWatchers(entry, told, true);
  gone_.push_back({entry.id, entry.path, told});
  if (gone_.size() > kGoneRemembered) gone_.pop_front();
  if (!entry.name.empty()) names_.erase(entry.name);
  std::erase_if(waiting_, [&](const WaitingClaim& claim) { return claim.entry == entry.id; });
  byPath_.erase(entry.path);
  entry.image.reset();
  auto gone = byId_.extract(entry.id);
  endAcquaintances(entry);
  leaving_.push_back({std::move(gone.mapped()), told, loop::Clock::now()});
  if (!finishLeaving()) lookSoon();
}

}  // namespace troupe::node
