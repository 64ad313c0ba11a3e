#include <troupe/kept.h>

#include "actor/actor_process.h"

namespace troupe::detail {

namespace {

mailbox::KeptStore& store() { return actor::ActorProcess::current().kept(); }

std::string what(std::string_view name) {
  return "keeping \"" + std::string(name) + "\" of " + actor::ActorProcess::current().path() + ": ";
}

}  // namespace

KeptPlace::KeptPlace(std::string_view name) : name_(name) {
  if (const auto found = store().find(name)) predecessor_.emplace(found->fingerprint, found->value);
}

void KeptPlace::open(std::uint64_t fingerprint, std::size_t capacity, void* self,
                     std::span<const std::byte> (*write)(void* self)) {
  index_ = store().add(name_, fingerprint, capacity, [self, write] { return write(self); });
}

KeptPlace::~KeptPlace() {
  if (index_) store().remove(*index_);
}

void KeptPlace::touch() const { store().touch(*index_); }

bool KeptPlace::touched() const { return store().touched(*index_); }

void KeptPlace::refuseLayout(std::size_t bytes) const {
  throw Error(ErrorKind::invalid, what(name_) + "an earlier process kept " +
                                      std::to_string(predecessor_->value.size()) +
                                      " bytes of another layout, now it would be " + std::to_string(bytes) +
                                      " bytes, and no function is given that makes one from the other");
}

void KeptPlace::refuseSize(std::size_t bytes, std::size_t capacity) const {
  throw Error(ErrorKind::overloaded, what(name_) + "it takes " + std::to_string(bytes) + " bytes, and " +
                                         std::to_string(capacity) + " is the most that was declared");
}

// FNV-1a.
std::uint64_t fingerprintOf(std::string_view type, std::size_t size, std::size_t alignment,
                            std::uint64_t layout) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto mix = [&](std::uint64_t value) { hash = (hash ^ value) * 0x100000001b3; };
  for (const char character : type) mix(static_cast<unsigned char>(character));
  mix(size);
  mix(alignment);
  mix(layout);
  return hash;
}

}  // namespace troupe::detail
