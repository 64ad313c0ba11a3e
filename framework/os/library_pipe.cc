#include "os/library_pipe.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <troupe/error.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>

#include "os/fd.h"

namespace troupe::os {
namespace {

std::array<int, 2> known = {-1, -1};
bool tracking = false;

std::set<int> openDescriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), &::closedir);
  if (!folder) throw Error::system("cannot list the open descriptors in /proc/self/fd", errno);
  std::set<int> result;
  while (const dirent* entry = ::readdir(folder.get()))
    if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != ::dirfd(folder.get()))
      result.insert(std::atoi(entry->d_name));
  return result;
}

// The two of `candidates` that are the ends of one pipe.
std::array<int, 2> pipeAmong(const std::set<int>& candidates) {
  std::map<ino_t, std::vector<int>> pipes;
  for (const int fd : candidates) {
    struct stat status = {};
    if (::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode)) pipes[status.st_ino].push_back(fd);
  }
  for (const auto& [inode, ends] : pipes)
    if (ends.size() == 2) return {ends[0], ends[1]};
  return {-1, -1};
}

// Runs in each forked child, just before libuv's own handler, which closes the pipe and makes a new one. With
// the old one closed already (a second close does nothing), the new one gets the two lowest numbers that are
// free: those found here.
void foreseeNewPipe() {
  if (known[0] < 0) return;
  for (const int fd : known) ::close(fd);
  const Fd first(::eventfd(0, EFD_CLOEXEC));
  const Fd second(::eventfd(0, EFD_CLOEXEC));
  known = {first.get(), second.get()};
}

}  // namespace

void trackLibraryPipe(const std::function<std::vector<int>()>& start) {
  if (std::exchange(tracking, true)) {
    start();
    return;
  }
  // Handlers for the child run in the order in which they were registered: this one has to be the earlier.
  if (const int error = ::pthread_atfork(nullptr, nullptr, &foreseeNewPipe); error != 0)
    throw Error::system("cannot register what is to be done in a forked process", error);
  const std::set<int> before = openDescriptors();
  const std::vector<int> others = start();
  std::set<int> opened;
  for (const int fd : openDescriptors())
    if (!before.contains(fd) && std::find(others.begin(), others.end(), fd) == others.end())
      opened.insert(fd);
  known = pipeAmong(opened);
}

std::array<int, 2> libraryPipe() { return known; }

}  // namespace troupe::os
