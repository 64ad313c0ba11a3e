#include "os/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <troupe/error.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "os/fd.h"

namespace troupe::os {

namespace {

constexpr mode_t kOwnerOnly = 0600;

// The first error, or 0. close() too can tell of a full disk.
int writeNew(const std::string& path, std::span<const std::byte> bytes, ToDisk toDisk) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kOwnerOnly));
  if (!file.valid()) return errno;
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  if (toDisk == ToDisk::now && ::fsync(file.get()) < 0) return errno;
  return ::close(file.release()) < 0 ? errno : 0;
}

std::string folderOf(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

void writeWholeFile(const std::string& path, std::span<const std::byte> bytes, ToDisk toDisk) {
  const std::string beside = path + "." + std::to_string(::getpid()) + ".part";
  int error = writeNew(beside, bytes, toDisk);
  if (error == 0 && ::rename(beside.c_str(), path.c_str()) < 0) error = errno;
  if (error != 0) {
    ::unlink(beside.c_str());
    throw Error::system("cannot write the file " + path, error);
  }
  if (toDisk == ToDisk::later) return;
  // The new name is on the disk when its folder is. Some file systems refuse this; the file is whole all the same.
  const Fd folder(::open(folderOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.valid()) ::fsync(folder.get());
}

std::vector<std::byte> readWholeFile(const std::string& path, std::size_t mostBytes) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) throw Error::system("cannot open the file " + path, errno);
  constexpr std::size_t kStep = std::size_t{64} * 1024;
  std::vector<std::byte> bytes;
  for (;;) {
    const std::size_t had = bytes.size();
    bytes.resize(had + kStep);
    const ssize_t got = ::read(file.get(), bytes.data() + had, kStep);
    bytes.resize(had + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error::system("cannot read the file " + path, errno);
    if (got == 0) return bytes;
    if (bytes.size() > mostBytes) {
      throw Error(ErrorKind::invalid,
                  "the file " + path + " has more than " + std::to_string(mostBytes) + " bytes");
    }
  }
}

// Not with an ifstream: reading through its iterators, it throws.
std::string readSystemFile(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char some[4096];
  for (;;) {
    const ssize_t got = ::read(file.get(), some, sizeof some);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return {};
    if (got == 0) return text;
    text.append(some, static_cast<std::size_t>(got));
  }
}

void makeFolder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return;
  throw Error::system("cannot make the folder " + path, errno);
}

}  // namespace troupe::os
