#include "os/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <troupe/error.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

namespace troupe::os {
namespace {

struct flock wholeFile() {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

struct flock oneByte(std::size_t at) {
  struct flock lock = wholeFile();
  lock.l_start = static_cast<off_t>(at);
  lock.l_len = 1;
  return lock;
}

bool take(const Fd& memory, struct flock lock) {
  if (::fcntl(memory.get(), F_OFD_SETLK, &lock) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  throw Error::system("cannot lock shared memory", errno);
}

bool takenByAnother(const Fd& memory, struct flock lock) {
  if (::fcntl(memory.get(), F_OFD_GETLK, &lock) < 0)
    throw Error::system("cannot look at the lock of shared memory", errno);
  return lock.l_type != F_UNLCK;
}

Fd openAgain(const Fd& memory, int flags) {
  const std::string path = "/proc/self/fd/" + std::to_string(memory.get());
  Fd opened(::open(path.c_str(), flags | O_CLOEXEC));
  if (!opened.valid()) throw Error::system("cannot open the shared memory " + path + " again", errno);
  return opened;
}

struct stat statusOf(const Fd& memory) {
  struct stat status = {};
  if (::fstat(memory.get(), &status) < 0) throw Error::system("cannot look at shared memory", errno);
  return status;
}

Fd makeMemory(const std::string& name, std::size_t bytes, int seals) {
  Fd memory(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.valid()) throw Error::system("cannot make the shared memory \"" + name + "\"", errno);
  if (::ftruncate(memory.get(), static_cast<off_t>(bytes)) < 0)
    throw Error::system("cannot give the shared memory \"" + name + "\" " + std::to_string(bytes) + " bytes",
                        errno);
  // A peer that could shrink it would kill every process that has it mapped, with SIGBUS.
  if (::fcntl(memory.get(), F_ADD_SEALS, seals) < 0)
    throw Error::system("cannot seal the shared memory \"" + name + "\"", errno);
  return memory;
}

}  // namespace

Fd makeSharedMemory(const std::string& name, std::size_t bytes) {
  return makeMemory(name, bytes, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

Fd makeGrowingMemory(const std::string& name, std::size_t bytes) {
  return makeMemory(name, bytes, F_SEAL_SHRINK | F_SEAL_SEAL);
}

void reserve(const Fd& memory, std::size_t offset, std::size_t bytes) {
  int result = 0;
  do {
    result = ::fallocate(memory.get(), 0, static_cast<off_t>(offset), static_cast<off_t>(bytes));
  } while (result < 0 && errno == EINTR);
  if (result < 0)
    throw Error::system("cannot get " + std::to_string(bytes) + " bytes of shared memory more", errno);
}

Fd openSharedMemory(const Fd& memory) { return openAgain(memory, O_RDWR); }

Fd openReadOnly(const Fd& memory) { return openAgain(memory, O_RDONLY); }

bool isReadOnly(const Fd& memory) { return (::fcntl(memory.get(), F_GETFL) & O_ACCMODE) == O_RDONLY; }

// The link is looked at first, since to open what else may be there by now can have effects. It may change in between: so the caller
// has to know the memory by what is in it.
std::optional<Fd> openMemoryOf(pid_t process, int number, bool readOnly) {
  const std::string path = "/proc/" + std::to_string(process) + "/fd/" + std::to_string(number);
  constexpr std::string_view kWanted = "/memfd:";
  std::array<char, kWanted.size()> link = {};
  const ssize_t got = ::readlink(path.c_str(), link.data(), link.size());
  if (got < 0 && errno != ENOENT) throw Error::system("cannot look at the shared memory " + path, errno);
  if (got < 0 || std::string_view(link.data(), static_cast<std::size_t>(got)) != kWanted) return std::nullopt;
  Fd opened(::open(path.c_str(), (readOnly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!opened.valid() && errno != ENOENT) throw Error::system("cannot open the shared memory " + path, errno);
  if (!opened.valid()) return std::nullopt;
  return opened;
}

bool keepsItsSize(const Fd& memory) {
  const int seals = ::fcntl(memory.get(), F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

std::size_t sizeOf(const Fd& memory) { return static_cast<std::size_t>(statusOf(memory).st_size); }

bool isUntouched(const Fd& memory) { return statusOf(memory).st_blocks == 0; }

bool punchHole(const Fd& memory, std::size_t offset, std::size_t bytes) {
  return ::fallocate(memory.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                     static_cast<off_t>(bytes)) == 0;
}

// Also what was swapped out counts as used. Where others read or write there, the answer may be old when it comes: what they read is
// zero all the same, and what they write is theirs to answer for.
Stretch findUsed(const Fd& memory, std::size_t from, std::size_t to) {
  const off_t data = ::lseek(memory.get(), static_cast<off_t>(from), SEEK_DATA);
  if (data < 0) return errno == ENXIO ? Stretch{to, to} : Stretch{from, to};
  const auto begins = static_cast<std::size_t>(data);
  if (begins >= to) return {to, to};
  const off_t hole = ::lseek(memory.get(), data, SEEK_HOLE);
  return {begins, hole < 0 ? to : std::min(static_cast<std::size_t>(hole), to)};
}

bool tryLock(const Fd& memory) { return take(memory, wholeFile()); }

void unlock(const Fd& memory) {
  struct flock lock = wholeFile();
  lock.l_type = F_UNLCK;
  if (::fcntl(memory.get(), F_OFD_SETLK, &lock) < 0)
    throw Error::system("cannot unlock shared memory", errno);
}

bool lockedByAnother(const Fd& memory) { return takenByAnother(memory, wholeFile()); }

bool tryLockByte(const Fd& memory, std::size_t at) { return take(memory, oneByte(at)); }

bool byteLockedByAnother(const Fd& memory, std::size_t at) { return takenByAnother(memory, oneByte(at)); }

Mapping::Mapping(const Fd& memory, std::size_t bytes) : Mapping(memory, bytes, PROT_READ | PROT_WRITE) {}

Mapping Mapping::readOnly(const Fd& memory, std::size_t bytes) { return {memory, bytes, PROT_READ}; }

Mapping::Mapping(const Fd& memory, std::size_t bytes, int protection) : bytes_(bytes) {
  const std::size_t has = sizeOf(memory);
  if (has < bytes)
    throw Error(ErrorKind::invalid, "a shared memory of " + std::to_string(has) +
                                        " bytes is too small: " + std::to_string(bytes) + " are needed");
  void* mapped = ::mmap(nullptr, bytes, protection, MAP_SHARED, memory.get(), 0);
  if (mapped == MAP_FAILED)
    throw Error::system("cannot map " + std::to_string(bytes) + " bytes of shared memory", errno);
  data_ = mapped;
}

Mapping::Mapping(const Fd& memory, std::size_t offset, std::size_t bytes) : bytes_(bytes) {
  void* mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memory.get(),
                        static_cast<off_t>(offset));
  if (mapped == MAP_FAILED)
    throw Error::system("cannot map " + std::to_string(bytes) + " bytes of shared memory", errno);
  data_ = mapped;
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

// Refused where the system has no such pages, or not for this.
void Mapping::preferHugePages() const { (void)::madvise(data_, bytes_, MADV_HUGEPAGE); }

// Of a mapping as it is made here this is never refused.
void Mapping::keepFromForks() const { (void)::madvise(data_, bytes_, MADV_DONTFORK); }

void Mapping::forget() {
  data_ = nullptr;
  bytes_ = 0;
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
}

}  // namespace troupe::os
