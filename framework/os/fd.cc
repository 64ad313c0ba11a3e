#include "os/fd.h"

#include <fcntl.h>
#include <troupe/error.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace troupe::os {

void Fd::reset(int fd) noexcept {
  // EINTR is no reason to try again: Linux has released the number by then.
  if (fd_ >= 0 && fd_ != fd) ::close(fd_);
  fd_ = fd;
}

Fd Fd::duplicate() const { return duplicateOf(fd_); }

Fd duplicateOf(int fd) {
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw Error::system("cannot duplicate descriptor " + std::to_string(fd), errno);
  return Fd(copy);
}

void setCloseOnExec(int fd, bool on) {
  if (::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0)
    throw Error::system("cannot set close-on-exec of descriptor " + std::to_string(fd), errno);
}

void setNonBlocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) != 0) return;
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
    throw Error::system("cannot make descriptor " + std::to_string(fd) + " non-blocking", errno);
}

}  // namespace troupe::os
