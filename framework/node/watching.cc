// Who is told of whose end.
#include <algorithm>

#include "node/directory.h"
#include "wire/reason_codec.h"

namespace troupe::node {

void Directory::onWatch(const std::string& from, wire::ReceivedControl& message) {
  Entry* const asker = byPath(from);
  Entry* const entry = byId(message->getWatch());
  if (asker == nullptr || entry == nullptr)
    return fail(from, message->getRequest(), goneError(message->getWatch()));
  asker->watched.insert(entry->id);
  entry->watchers.insert(asker->id);
  wire::ControlMessage watching;
  watching->setWatching();
  answer(from, message->getRequest(), std::move(watching));
}

void Directory::onWatchProcess(const std::string& from, wire::ReceivedControl& message) {
  const auto watch = message->getWatchProcess();
  Entry* const asker = byPath(from);
  Entry* const entry = byId(watch.getActor());
  if (asker == nullptr || entry == nullptr)
    return fail(from, message->getRequest(), goneError(watch.getActor()));
  const std::uint32_t generation = watch.getGeneration();
  // The word that a process has started may still be on its way.
  const bool lives = (entry->claimed && entry->generation == generation) || entry->lives.has(generation);
  wire::ControlMessage told;
  auto watched = told->initWatched();
  watched.setEnded(!lives);
  // Those of earlier ends are forgotten.
  const bool last =
      generation == entry->generation || (entry->claimed && generation + 1 == entry->generation);
  const ExitReason forgotten{.kind = ExitKind::shutdown, .text = "some time ago"};
  if (!lives) wire::write(watched.initReason(), last ? entry->endReason : forgotten);
  if (lives) {
    asker->watched.insert(entry->id);
    entry->watchers.insert(asker->id);
  }
  answer(from, message->getRequest(), std::move(told));
}

void Directory::onUnwatch(const std::string& from, wire::ActorId actor) {
  Entry* const asker = byPath(from);
  Entry* const entry = byId(actor);
  if (asker == nullptr || entry == nullptr) return;
  asker->watched.erase(entry->id);
  entry->watchers.erase(asker->id);
}

void Directory::tellWatchers(Entry& entry, const ExitReason& reason, bool final) {
  std::vector<std::uint32_t> others = final ? entry.lives.allEnded() : entry.lives.ended(entry.generation);
  std::erase(others, entry.generation);
  tellReplaced(entry, others, reason);
  for (const wire::ActorId watcher : entry.watchers) {
    wire::ControlMessage message;
    auto down = message->initDown();
    down.setActor(entry.id);
    down.setPath(entry.path.c_str());
    down.setGeneration(entry.generation);
    wire::write(down.initReason(), reason);
    down.setFinal(final);
    notify(watcher, std::move(message));
    Entry* const other = final ? byId(watcher) : nullptr;
    if (other != nullptr) other->watched.erase(entry.id);
  }
}

// Of those that were replaced only their users want to know: for whoever watches the actor it has gone on.
void Directory::tellReplaced(const Entry& entry, std::span<const std::uint32_t> generations,
                             const ExitReason& reason) {
  for (const std::uint32_t generation : generations) {
    for (const wire::ActorId watcher : entry.watchers) {
      wire::ControlMessage message;
      auto down = message->initDown();
      down.setActor(entry.id);
      down.setPath(entry.path.c_str());
      down.setGeneration(generation);
      wire::write(down.initReason(), reason);
      down.setReplaced(true);
      notify(watcher, std::move(message));
    }
  }
}

void Directory::stopWatching(Entry& entry) {
  for (const wire::ActorId watched : entry.watched) {
    if (Entry* const other = byId(watched)) other->watchers.erase(entry.id);
  }
  entry.watched.clear();
}

}  // namespace troupe::node
