// A claim that this process makes, until it knows what has become of it.
#pragma once

#include <troupe/lease.h>

#include <cstdint>
#include <string>

#include "schemas/lock.actor.h"

namespace troupe::actors {

class OpenClaim {
 public:
  explicit OpenClaim(RefBase lock);
  // One that is claimed anew.
  OpenClaim(RefBase lock, std::uint64_t ticket) : lock_(std::move(lock)), ticket_(ticket) {}
  OpenClaim(const OpenClaim&) = delete;
  // Where nobody came to know, it is let go, what it has got included.
  ~OpenClaim();

  std::uint64_t ticket() const { return ticket_; }
  // It is known.
  void close() { open_ = false; }

  // That is known by its answer: none, where it was not granted.
  detail::Lease lease(LockAnswer::Reader answer);

 private:
  RefBase lock_;
  std::uint64_t ticket_;
  bool open_ = true;
};

void letClaimGo(const RefBase& lock, std::uint64_t ticket, bool unseen);

}  // namespace troupe::actors
