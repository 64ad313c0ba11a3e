#include "wire/reference.h"

#include <kj/debug.h>
#include <kj/refcount.h>

namespace troupe::wire {

namespace {

// Its address marks the hooks that are made here.
const int kBrand = 0;

kj::Exception notCallable() {
  return KJ_EXCEPTION(UNIMPLEMENTED,
                      "an actor in a message is an address: make a troupe::Ref of it to call it");
}

class ActorHook final : public capnp::ClientHook, public kj::Refcounted {
 public:
  explicit ActorHook(ActorAddress address) : address_(std::move(address)) {}
  const ActorAddress& address() const { return address_; }

#if CAPNP_VERSION >= 1000000
  capnp::Request<capnp::AnyPointer, capnp::AnyPointer> newCall(std::uint64_t interfaceId,
                                                               std::uint16_t methodId,
                                                               kj::Maybe<capnp::MessageSize> size,
                                                               CallHints hints) override {
    return broken_().newCall(interfaceId, methodId, size, hints);
  }
  VoidPromiseAndPipeline call(std::uint64_t interfaceId, std::uint16_t methodId,
                              kj::Own<capnp::CallContextHook>&& context, CallHints hints) override {
    return broken_().call(interfaceId, methodId, kj::mv(context), hints);
  }
#else
  capnp::Request<capnp::AnyPointer, capnp::AnyPointer> newCall(std::uint64_t interfaceId,
                                                               std::uint16_t methodId,
                                                               kj::Maybe<capnp::MessageSize> size) override {
    return broken_().newCall(interfaceId, methodId, size);
  }
  VoidPromiseAndPipeline call(std::uint64_t interfaceId, std::uint16_t methodId,
                              kj::Own<capnp::CallContextHook>&& context) override {
    return broken_().call(interfaceId, methodId, kj::mv(context));
  }
#endif
  kj::Maybe<capnp::ClientHook&> getResolved() override { return nullptr; }
  kj::Maybe<kj::Promise<kj::Own<capnp::ClientHook>>> whenMoreResolved() override { return nullptr; }
  kj::Own<capnp::ClientHook> addRef() override { return kj::addRef(*this); }
  const void* getBrand() override { return &kBrand; }
  kj::Maybe<int> getFd() override { return nullptr; }

 private:
  capnp::ClientHook& broken_() {
    if (brokenHook_.get() == nullptr) brokenHook_ = capnp::newBrokenCap(notCallable());
    return *brokenHook_;
  }
  ActorAddress address_;
  kj::Own<capnp::ClientHook> brokenHook_;
};

}  // namespace

kj::Own<capnp::ClientHook> makeHook(const ActorAddress& address) {
  if (address.id == 0) return capnp::ClientHook::from(capnp::Capability::Client(nullptr));
  return kj::refcounted<ActorHook>(address);
}

capnp::Capability::Client toCapability(const ActorAddress& address) {
  return capnp::Capability::Client(makeHook(address));
}

std::optional<ActorAddress> addressOf(capnp::ClientHook& hook) {
  if (hook.getBrand() == &kBrand) return static_cast<ActorHook&>(hook).address();
  if (hook.isNull()) return ActorAddress{};
  return std::nullopt;
}

std::optional<ActorAddress> addressOf(capnp::Capability::Client client) {
  return addressOf(*capnp::ClientHook::from(kj::mv(client)));
}

}  // namespace troupe::wire
