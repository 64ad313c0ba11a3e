// The programs that actors were upgraded to. The root keeps them open, so that neither the death of a supervisor nor what becomes
// of the file's name brings an actor back as an older program, which may not be able to read what the newer one has kept.
//
//   offered   with the claim of the newer process
//   newer     that process has the ends
//   image     it has become ready: the actor is started from it from now on
// It becomes ready with one commit on the desk, by which it has made its own what older programs kept. The word of that comes
// by the supervisor, which may die meanwhile: so the desk decides.
#include "node/directory.h"

namespace troupe::node {

void Directory::offerImage(Entry& entry, wire::ReceivedControl& message) {
  const auto claim = message->getClaim();
  entry.offered = claim.getImage() ? message.take(0) : os::Fd();
  entry.fallsBack = claim.getTakesOver() && !claim.getImage();
  entry.overtaken = false;
}

void Directory::grantImage(Entry& entry, wire::ControlMessage& granted) {
  entry.newer = std::move(entry.offered);
  if (!entry.image.valid()) return;
  granted->getGranted().setImage(static_cast<std::uint16_t>(granted.descriptors().size()));
  granted.attach(entry.image.duplicate());
}

void Directory::adoptImage(Entry& entry) {
  if (entry.newer.valid()) entry.image = std::move(entry.newer);
}

// No process has the desk any more: whose generation stands there, if any, was ready.
void Directory::settleImage(Entry& entry, std::uint64_t tookOver) {
  if (!entry.newer.valid()) return;
  if (tookOver != entry.generation) return entry.newer.reset();
  adoptImage(entry);
  entry.overtaken = entry.fallsBack;
}

}  // namespace troupe::node
