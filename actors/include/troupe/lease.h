// What mutexes, semaphores and conditions give: a lease, which belongs to the process that got it, and lasts until it is given back,
// destroyed, or that process ends.
//
// Threads: the actor's.
#pragma once

#include <troupe/ref.h>
#include <troupe/task.h>

#include <cstdint>
#include <utility>

namespace troupe::detail {

class Lease {
 public:
  Lease() = default;
  Lease(RefBase lock, std::uint64_t ticket, bool abandoned)
      : lock_(std::move(lock)), ticket_(ticket), mine_(true), abandoned_(abandoned) {}
  Lease(Lease&& other) noexcept { *this = std::move(other); }
  Lease& operator=(Lease&& other) noexcept;
  ~Lease() { letGo(); }

  // False: it was not to be had; or has been given back, kept or moved away.
  explicit operator bool() const { return mine_; }
  // It stays the process's when this is destroyed: until it is given back through the lock itself, or the process ends.
  void keep() { mine_ = false; }

 protected:
  Task<> release();
  void letGo();

  RefBase lock_;
  std::uint64_t ticket_ = 0;
  bool mine_ = false;
  bool abandoned_ = false;
};

}  // namespace troupe::detail
