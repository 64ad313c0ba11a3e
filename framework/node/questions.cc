// The directory's answers to what any process may ask.
#include <algorithm>

#include "node/directory.h"
#include "node/names.h"
#include "os/channel.h"
#include "os/packet_pipe.h"
#include "os/shared_memory.h"
#include "supervision/blueprint.h"
#include "wire/reason_codec.h"

namespace troupe::node {

namespace {
bool isShared(const Entry& entry) {
  return entry.role == wire::Role::pool || entry.role == wire::Role::poolWorker;
}
}  // namespace

Entry* Directory::lookUp(const std::string& from, const std::string& name) {
  for (const std::string& path : candidates(from, name)) {
    if (Entry* const entry = byPath(path)) return entry;
  }
  const auto named = names_.find(name);
  return named == names_.end() ? nullptr : byId(named->second);
}

void Directory::onFind(const std::string& from, wire::ReceivedControl& message) {
  const auto find = message->getFind();
  const std::string name = wire::toString(find.getName());
  const std::uint64_t request = message->getRequest();
  const bool wantsSupervisor = find.getInterface() == 0;
  Entry* const asker = byPath(from);
  wire::ControlMessage reply;
  auto found = reply->initFound();
  if (wantsSupervisor && name == "/") {
    found.setPath("/");
    return answer(from, request, std::move(reply));
  }
  Entry* const entry = lookUp(from, name);
  if (entry == nullptr || asker == nullptr) {
    return fail(
        from, request,
        Error::gone("finding \"" + name + "\" for " + from + ": there is no actor of that name or path", {}));
  }
  if (wantsSupervisor && !isSupervisor(entry->role)) {
    return fail(from, request,
                Error(ErrorKind::invalid,
                      "finding the supervisor \"" + name + "\": " + entry->path + " is an actor"));
  }
  if (!wantsSupervisor && std::find(entry->interfaces.begin(), entry->interfaces.end(),
                                    find.getInterface()) == entry->interfaces.end()) {
    return fail(from, request,
                Error(ErrorKind::invalid, "finding \"" + name + "\": " + entry->path + " does not serve " +
                                              wire::toString(find.getProtocol())));
  }
  try {
    found.setActor(entry->id);
    found.setPath(entry->path.c_str());
    found.setShared(isShared(*entry));
    if (!wantsSupervisor) {
      reply.attach(os::openWriteEnd(mailboxOf(*entry)));
      introduce(*asker, *entry);
    }
    answer(from, request, std::move(reply));
  } catch (const Error& error) {
    fail(from, request, error);
  }
}

const Directory::Gone* Directory::findGone(wire::ActorId id) const {
  const auto found =
      std::find_if(gone_.rbegin(), gone_.rend(), [id](const Gone& gone) { return gone.id == id; });
  return found == gone_.rend() ? nullptr : &*found;
}

Error Directory::goneError(wire::ActorId id) const {
  if (const Gone* const gone = findGone(id))
    return Error::gone("it has stopped for good: " + gone->reason.toString(), gone->reason);
  return Error::gone(id <= lastId_ ? "it has stopped for good" : "there has never been such an actor", {});
}

void Directory::onIntroduce(const std::string& from, wire::ReceivedControl& message) {
  Entry* const asker = byPath(from);
  Entry* const entry = byId(message->getIntroduce().getActor());
  const bool arena = message->getIntroduce().getLane() == static_cast<std::uint8_t>(wire::Lane::arena);
  if (asker == nullptr || (entry == nullptr && !arena)) {
    return fail(from, message->getRequest(), goneError(message->getIntroduce().getActor()));
  }
  try {
    if (arena) return introduceArena(*asker, entry, message);
    const bool reply = message->getIntroduce().getLane() == static_cast<std::uint8_t>(wire::Lane::reply);
    const os::Fd& pipe = reply ? entry->reply : mailboxOf(*entry);
    if (!pipe.valid()) throw Error(ErrorKind::invalid, entry->path + " is a supervisor: it has no mailbox");
    wire::ControlMessage introduced;
    introduced->initIntroduced().setShared(!reply && isShared(*entry));
    introduced.attach(os::openWriteEnd(pipe));
    introduce(*asker, *entry);
    answer(from, message->getRequest(), std::move(introduced));
  } catch (const Error& error) {
    fail(from, message->getRequest(), error);
  }
}

// An arena outlives its actor as long as messages lie in it.
void Directory::introduceArena(Entry& asker, Entry* entry, wire::ReceivedControl& message) {
  const os::Fd* const arena = arenaOf(message->getIntroduce().getActor());
  if (arena == nullptr) throw goneError(message->getIntroduce().getActor());
  wire::ControlMessage introduced;
  introduced->initIntroduced().setGone(entry == nullptr);
  introduced.attach(os::openSharedMemory(*arena));
  if (entry != nullptr) introduce(asker, *entry);
  answer(asker.path, message->getRequest(), std::move(introduced));
}

os::Fd Directory::tap(const std::string& path) {
  const std::string what = "tapping " + path;
  const Entry* const entry = byPath(path);
  if (entry == nullptr) throw Error::gone(what + ": there is no such actor", {});
  if (isSupervisor(entry->role)) {
    throw Error(ErrorKind::invalid,
                what + (entry->role == wire::Role::pool ? ": its workers take the messages: tap one of them"
                                                        : ": it is a supervisor, and gets no messages"));
  }
  if (!entry->claimed || entry->pid == 0) return {};
  auto [read, write] = os::makeChannel();
  wire::ControlMessage message;
  message->setTap();
  message.attach(std::move(write));
  notify(entry->id, std::move(message));
  return std::move(read);
}

void Directory::onManage(const std::string& from, wire::ReceivedControl& message) {
  const std::string supervisor = wire::toString(message->getManage().getSupervisor());
  const Entry* const entry = byPath(supervisor);
  if (supervisor != "/" && (entry == nullptr || !entry->claimed)) {
    return fail(from, message->getRequest(),
                Error::gone("there is no supervisor " + supervisor + " now", {}));
  }
  if (entry != nullptr && !isSupervisor(entry->role)) {
    return fail(from, message->getRequest(),
                Error(ErrorKind::invalid, supervisor + " is an actor, and no supervisor"));
  }
  const std::uint64_t passed = ++lastPassed_;
  const std::uint64_t request = message->getRequest();
  passed_.emplace(passed, Passed{.asker = from, .request = request, .supervisor = supervisor});
  try {
    auto forward = wire::forwarded(message);
    forward->setFrom(from.c_str());
    answer(supervisor, passed, std::move(forward));
  } catch (const Error& error) {
    passed_.erase(passed);
    fail(from, request, error);
  }
}

void Directory::onManaged(const std::string& from, wire::ReceivedControl& message) {
  const auto found = passed_.find(message->getRequest());
  if (found == passed_.end() || found->second.supervisor != from) return;
  const Passed passed = found->second;
  passed_.erase(found);
  try {
    auto forward = wire::forwarded(message);
    forward->setFrom("");
    answer(passed.asker, passed.request, std::move(forward));
  } catch (const Error& error) {
    fail(passed.asker, passed.request, error);
  }
}

}  // namespace troupe::node
