// An owned file descriptor: closed when it goes out of scope.
//
// Threads: as an int; not synchronised.
#pragma once

#include <utility>

namespace troupe::os {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  explicit operator bool() const { return valid(); }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept;

  // A second descriptor of the same open description, close-on-exec. Errors: system.
  Fd duplicate() const;

 private:
  int fd_ = -1;
};

// As Fd::duplicate(), for a descriptor that somebody else owns.
Fd duplicateOf(int fd);

// Clears or sets close-on-exec. Errors: system.
void setCloseOnExec(int fd, bool on);
void setNonBlocking(int fd);

}  // namespace troupe::os
