// Semaphore: an actor that hands out so many permits, and no more: multiprocessing's BoundedSemaphore, but those of the dead come back.
//
//     app.add<troupe::Semaphore>("api", {.permits = 3});
//
//     auto permits = co_await find<troupe::Semaphore>("api");
//     auto permit = co_await permits.acquire();
//     co_await permit.release();
//
// Order:     first come, first served: who asks for many is not passed by others who ask for few.
// Ownership: permits belong to the process that acquired them, until they are released, `permit` is destroyed, or the process ends.
// Waiting:   for ever, or as long as within() says: then acquire() ends with `timedOut`, and nothing has happened. Who dies while waiting
//            waits no longer.
// Crash:     who has permits and who waits survives the semaphore's own death.
// Errors:    timedOut; refused: more permits than there are, released twice, or more than the process has; and those of calls.
// Threads:   the actor's.
#pragma once

#include <troupe/app.h>
#include <troupe/lease.h>
#include <troupe/self.h>
#include <troupe/spec.h>

#include <cstdint>
#include <string>
#include <utility>

namespace troupe {

struct SemaphoreSpec {
  std::uint64_t permits = 1;
  ChildSpec child = {.onCrash = OnCrash::retry(3)};
};

struct SemaphoreStatus {
  std::uint64_t permits = 0;  // that are out
  std::uint64_t waiting = 0;
};

class Semaphore {
 public:
  using Spec = SemaphoreSpec;

  // So many as were acquired at once.
  class Permit : public detail::Lease {
   public:
    Task<> release() { return Lease::release(); }

   private:
    friend class Semaphore;
    explicit Permit(Lease lease) : Lease(std::move(lease)) {}
  };

  explicit Semaphore(RefBase semaphore) : semaphore_(std::move(semaphore)) {}
  // The same, where nothing waits longer than that.
  Semaphore within(Duration wait) const {
    Semaphore other = *this;
    other.wait_ = wait;
    return other;
  }

  Task<Permit> acquire(std::uint64_t count = 1) const;
  // False where there are not so many now, or others wait.
  Task<Permit> tryAcquire(std::uint64_t count = 1) const;
  // Of those that this process has kept (Permit::keep), or has. Errors: refused, where it has fewer.
  Task<> release(std::uint64_t count = 1) const;
  Task<SemaphoreStatus> status() const;

  const std::string& path() const { return semaphore_.path(); }

  // Used by find() and Group::add().
  static ServedProtocol served();
  static void declare(Group& group, std::string id, const SemaphoreSpec& spec);

 private:
  static Task<Permit> take(RefBase semaphore, std::uint64_t count, Duration wait, bool tries);

  RefBase semaphore_;
  Duration wait_ = kForever;
};

}  // namespace troupe
