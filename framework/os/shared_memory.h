// Memory shared between processes, as an anonymous file that can't get smaller, and mostly not larger (sealed), and the lock that says
// whether a process that was given it is still alive.
//
// The lock belongs to an open description (F_OFD_SETLK): whoever holds a descriptor of that description, be
// it in flight in a socket, holds the lock; the kernel drops it with the last one, also on SIGKILL, before
// the process can be waited for.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>

#include "os/fd.h"

namespace troupe::os {

// Errors: system.
Fd makeSharedMemory(const std::string& name, std::size_t bytes);

// The same, to which more may be added at its end (reserve).
Fd makeGrowingMemory(const std::string& name, std::size_t bytes);

// Sees to it that there is memory for that stretch, so that writing there can't fail; one that grows gets longer by it. Errors:
// system, where the machine has not as much; nothing is changed then.
void reserve(const Fd& memory, std::size_t offset, std::size_t bytes);

// A new open description of the same memory; the second of them can't be mapped for writing.
Fd openSharedMemory(const Fd& memory);
Fd openReadOnly(const Fd& memory);
bool isReadOnly(const Fd& memory);

// The memory that another process of the same user has open by that number: a description of this process's own. None where it has
// ended, or has no such memory there. Errors: system.
std::optional<Fd> openMemoryOf(pid_t process, int number, bool readOnly);

// True where nobody can make it smaller, which would kill whoever has it mapped: of memory that a peer has sent.
bool keepsItsSize(const Fd& memory);

std::size_t sizeOf(const Fd& memory);
// True where no page of it is in use, by anybody. Errors: system, also above.
bool isUntouched(const Fd& memory);
// Gives a stretch back to the system: it is zero from then on. False where that can't be done.
bool punchHole(const Fd& memory, std::size_t offset, std::size_t bytes);
// The first stretch of it from `from` to `to` that is in use; all else there is zero. Empty, where there is none; all, where that
// can't be told.
struct Stretch {
  std::size_t from = 0;
  std::size_t to = 0;
};
Stretch findUsed(const Fd& memory, std::size_t from, std::size_t to);

// Takes the lock for `memory`'s description, or says false where another description holds it. Errors:
// system.
bool tryLock(const Fd& memory);
// Lets go of it: closing the descriptor does not, as long as the memory is mapped through its description.
void unlock(const Fd& memory);
// True where a description other than `memory`'s holds the lock.
bool lockedByAnother(const Fd& memory);

// The same for one byte, which need not be there. Where all users of a memory have descriptions and bytes of their own, each of them
// can tell which of the others live.
bool tryLockByte(const Fd& memory, std::size_t at);
bool byteLockedByAnother(const Fd& memory, std::size_t at);

// A mapping of a memory, for reading and writing; unmapped when it goes.
class Mapping {
 public:
  Mapping() = default;
  // Errors: system; invalid, where the memory is smaller than `bytes`.
  Mapping(const Fd& memory, std::size_t bytes);
  // Of a stretch, all of which need not be there yet: what is not must not be touched.
  Mapping(const Fd& memory, std::size_t offset, std::size_t bytes);
  // To write there ends this process. Errors: as above.
  static Mapping readOnly(const Fd& memory, std::size_t bytes);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  bool valid() const { return data_ != nullptr; }
  // Of a memory in which large things will lie: fewer and larger pages are taken for what is touched from here on, where the system
  // has them.
  void preferHugePages() const;
  // Processes that are forked from here on do not have it, whatever their copy of this says: that has to be told to forget it.
  void keepFromForks() const;
  void forget();

 private:
  Mapping(const Fd& memory, std::size_t bytes, int protection);

  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace troupe::os
