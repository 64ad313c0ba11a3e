// Who has been introduced to whom.
#include <utility>

#include "node/directory.h"
#include "os/packet_pipe.h"

namespace troupe::node {

namespace {
constexpr std::size_t kMostCallers = 4;
}  // namespace

void Directory::introduce(Entry& whom, Entry& to) {
  whom.held.insert(to.id);
  to.holders.insert(whom.id);
  whom.sendsTo.insert(to.id);
  to.senders.insert(whom.id);
  whom.known = to.known = true;
}

// It has gone for good. Its own senders it still needs.
void Directory::endAcquaintances(const Entry& gone) {
  for (const wire::ActorId id : gone.sendsTo)
    if (Entry* const other = byId(id)) other->senders.erase(gone.id);
  for (const wire::ActorId id : gone.senders)
    if (Entry* const other = byId(id)) other->sendsTo.erase(gone.id);
}

// Its next process knows nobody yet, but for some of those whom it will have to answer.
void Directory::forgetAcquaintances(Entry& entry) {
  for (const wire::ActorId held : entry.held) {
    if (entry.callers.size() < kMostCallers && entry.holders.contains(held)) entry.callers.push_back(held);
    if (Entry* const other = byId(held)) other->holders.erase(entry.id);
  }
  entry.held.clear();
  stopWatching(entry);
}

// Who had an answer of its last process knows it, and was known to it: mostly the next one has to answer the same, and need not ask.
void Directory::introduceCallers(Entry& entry) {
  for (const wire::ActorId id : std::exchange(entry.callers, {})) {
    Entry* const caller = byId(id);
    if (caller == nullptr || !caller->reply.valid()) continue;
    try {
      wire::ControlMessage message;
      auto introduced = message->initIntroduced();
      introduced.setActor(id);
      introduced.setLane(static_cast<std::uint8_t>(wire::Lane::reply));
      message.attach(os::openWriteEnd(caller->reply));
      introduce(entry, *caller);
      notify(entry.id, std::move(message));
    } catch (const Error&) {
      return;  // out of descriptors: it may ask
    }
  }
}

}  // namespace troupe::node
