#include "os/output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <troupe/error.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace troupe::os {

OutputEnd::OutputEnd(int standardDescriptor) {
  struct stat status = {};
  if (::fstat(standardDescriptor, &status) < 0) return;  // closed: swallows everything
  fd_ = standardDescriptor;
  if (S_ISSOCK(status.st_mode)) {
    socket_ = waits_ = true;
    return;
  }
  if (!S_ISFIFO(status.st_mode) && ::isatty(standardDescriptor) == 0) return;
  const std::string path = "/proc/self/fd/" + std::to_string(standardDescriptor);
  own_ = Fd(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (own_.valid()) fd_ = own_.get();
  const int flags = ::fcntl(fd_, F_GETFL);
  waits_ = flags >= 0 && (flags & O_NONBLOCK) != 0;
}

int OutputEnd::pollable() const { return waits_ ? fd_ : -1; }

std::size_t OutputEnd::write(std::string_view text) {
  if (fd_ < 0 || text.empty()) return text.size();
  for (;;) {
    const ssize_t written = socket_ ? ::send(fd_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                                    : ::write(fd_, text.data(), text.size());
    if (written >= 0) return static_cast<std::size_t>(written);
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return text.size();
    // Somebody who shares the description has made it non-blocking.
    waits_ = true;
    return 0;
  }
}

void waitWritable(int fd, std::chrono::milliseconds limit) {
  if (fd < 0) return;
  pollfd poll{.fd = fd, .events = POLLOUT, .revents = 0};
  ::poll(&poll, 1, static_cast<int>(limit.count()));
}

namespace {

OutputPipe makePipe(const char* of) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0)
    throw Error::system(std::string("cannot make a pipe for a child's ") + of, errno);
  return {Fd(ends[0]), Fd(ends[1])};
}

}  // namespace

OutputPipe makeOutputPipe() {
  OutputPipe pipe = makePipe("output");
  setNonBlocking(pipe.reader.get());
  return pipe;
}

OutputPipe makeInputPipe() {
  OutputPipe pipe = makePipe("input");
  setNonBlocking(pipe.writer.get());
  return pipe;
}

long readOutput(int fd, char* into, std::size_t room) {
  for (;;) {
    const ssize_t got = ::read(fd, into, room);
    if (got >= 0) return got;
    if (errno == EAGAIN) return -1;
    if (errno != EINTR) return 0;
  }
}

InputWrite writeInput(int fd, std::string_view text) {
  for (;;) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written >= 0) return {.bytes = static_cast<std::size_t>(written)};
    if (errno == EAGAIN) return {};
    if (errno != EINTR) return {.error = errno};
  }
}

}  // namespace troupe::os
