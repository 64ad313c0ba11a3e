// The programs that actors were upgraded to. The root keeps them open, so that neither the death of a supervisor nor what becomes
// of the file's name brings an actor back as an older program, which may not be able to read what the newer one has kept.
//
//   offered   with the claim of the newer process
//   newer     that process has the ends
//   image     it has become ready: the actor is started from it from now on
// It becomes ready with one commit on the desk, by which it has made its own what older programs kept. The word of that comes
// by the supervisor, which may die meanwhile: so the desk decides.
#include "mailbox/settle.h"
#include "node/directory.h"

namespace troupe::node {

void Directory::offerImage(Entry& entry, wire::ReceivedControl& message) {
  const auto claim = message->getClaim();
  entry.offered = claim.getImage() ? message.take(0) : os::Fd();
  entry.fallsBack = claim.getTakesOver() && !claim.getImage();
  entry.overtaken = false;
}

void Directory::grantImage(Entry& entry, wire::ControlMessage& granted) {
  if (entry.image.valid()) {
    os::Fd image = entry.image.duplicate();
    granted->getGranted().setImage(static_cast<std::uint16_t>(granted.descriptors().size()));
    granted.attach(std::move(image));
  }
  entry.newer = std::move(entry.offered);
}

// The process that is up may be the older one: where the newer one has died while its ends were on their way.
void Directory::adoptImage(Entry& entry) {
  if (entry.newer.valid()) settleImage(entry, mailbox::tookOver(entry.desk));
}

// The generation that stands on the desk, if any, was ready: nobody has the desk any more, or somebody who is up.
void Directory::settleImage(Entry& entry, std::uint64_t tookOver) {
  if (!entry.newer.valid()) return;
  if (tookOver != entry.generation) return entry.newer.reset();
  entry.image = std::move(entry.newer);
  entry.overtaken = entry.fallsBack;
}

}  // namespace troupe::node
