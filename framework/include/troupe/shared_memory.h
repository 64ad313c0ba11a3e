// What Shared<T> and SharedBlock are made of (<troupe/shared.h>, <troupe/shared_block.h>).
//
// Threads: the actor's.
#pragma once

#include <troupe/argument.h>
#include <troupe/spec.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace troupe::detail {

// What shared memory holds: who maps it must mean the same.
struct SharedType {
  enum class Form : std::uint8_t { number, value, block } form = Form::value;
  std::uint64_t fingerprint = 0;
  const char* type = "";  // as the compiler calls it
  std::size_t bytes = 0;  // 0: of a block, as many as it has
};

// Shared memory, as a process has it: mapped when it is first used there.
class SharedMemory {
 public:
  struct State;
  SharedMemory() = default;
  static SharedMemory make(const SharedType& type, std::string name, std::span<const std::byte> initial);
  // Takes over a descriptor that came from elsewhere; `name`: what it must be called, if that is known.
  static SharedMemory fromFd(const SharedType& type, int fd, const std::string& name = {});
  static SharedMemory open(const SharedType& type, const std::string& address);
  // Of which this process knows the name only.
  static SharedMemory elsewhere(const SharedType& type, std::string name);

  explicit operator bool() const { return state_ != nullptr; }
  const std::string& name() const;
  std::size_t bytes() const;
  std::string address() const;
  bool writable() const;
  SharedMemory readOnly() const;
  // -1: this process does not have it.
  int fd() const;

  // Of a number or a block: where it lies in this process. Errors: invalid, where it is to be written to and can't be.
  std::byte* content(bool write) const;

  // Of a value.
  void read(void* to) const;
  void lock(Duration wait) const;
  void unlock() const;
  void commit(const void* from) const;

  static Argument toArgument(const SharedMemory& memory);
  static SharedMemory fromArgument(const SharedType& type, const Argument& value);

 private:
  explicit SharedMemory(std::shared_ptr<State> state, bool readOnly = false)
      : state_(std::move(state)), readOnly_(readOnly) {}
  State& state() const;

  std::shared_ptr<State> state_;
  bool readOnly_ = false;
};

// The lock of a value.
class SharedLocked {
 public:
  SharedLocked(const SharedMemory& memory, Duration wait) : memory_(memory) { memory_.lock(wait); }
  SharedLocked(const SharedLocked&) = delete;
  SharedLocked& operator=(const SharedLocked&) = delete;
  ~SharedLocked() { memory_.unlock(); }

 private:
  const SharedMemory& memory_;
};

}  // namespace troupe::detail
