#include "os/log_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <troupe/error.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

namespace troupe::os {

namespace {

FilePlace placeOf(const struct stat& status) {
  return {
      .device = status.st_dev, .inode = status.st_ino, .bytes = static_cast<std::uint64_t>(status.st_size)};
}

bool isThere(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace

FilePlace LogFile::open() {
  struct stat status = {};
  if (file_.valid() && ::stat(path_.c_str(), &status) == 0 && placeOf(status).sameFile(opened_))
    return placeOf(status);
  file_ = Fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640));
  if (!file_.valid()) throw Error::system("cannot open the file " + path_, errno);
  if (::fstat(file_.get(), &status) < 0) throw Error::system("cannot look at the file " + path_, errno);
  if (!S_ISREG(status.st_mode)) {
    file_.reset();
    throw Error(ErrorKind::invalid, path_ + " is no plain file");
  }
  if (::flock(file_.get(), LOCK_EX | LOCK_NB) < 0) {
    file_.reset();
    throw Error(ErrorKind::invalid, "another process writes the file " + path_);
  }
  opened_ = placeOf(status);
  return opened_;
}

bool LogFile::endsInLine(std::uint64_t bytes) const {
  char last = '\n';
  if (bytes > 0) (void)!::pread(file_.get(), &last, 1, static_cast<off_t>(bytes - 1));
  return last == '\n';
}

LogFile::Written LogFile::write(std::string_view text, std::uint64_t at) const {
  Written written;
  while (written.bytes < text.size()) {
    const ssize_t more = ::pwrite(file_.get(), text.data() + written.bytes, text.size() - written.bytes,
                                  static_cast<off_t>(at + written.bytes));
    if (more >= 0) {
      written.bytes += static_cast<std::size_t>(more);
    } else if (errno != EINTR) {
      written.error = errno;
      return written;
    }
  }
  return written;
}

void LogFile::cut(std::uint64_t bytes) const {
  if (::ftruncate(file_.get(), static_cast<off_t>(bytes)) < 0)
    throw Error::system("cannot cut the file " + path_, errno);
}

void LogFile::shift(unsigned older) {
  const auto name = [this](unsigned age) { return age == 0 ? path_ : path_ + "." + std::to_string(age); };
  // Up to the first that is not there: left open, it is where a process before was killed.
  unsigned last = 1;
  while (last < older && isThere(name(last))) ++last;
  for (unsigned age = older == 0 ? 0 : last; age > 0; --age) {
    if (::rename(name(age - 1).c_str(), name(age).c_str()) < 0)
      throw Error::system("cannot move the file " + name(age - 1) + " to " + name(age), errno);
  }
  if (older == 0 && ::unlink(path_.c_str()) < 0)
    throw Error::system("cannot remove the file " + path_, errno);
}

void ignoreFileLimit() { std::signal(SIGXFSZ, SIG_IGN); }

}  // namespace troupe::os
