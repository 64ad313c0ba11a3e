#include "os/client_socket.h"

#include <dirent.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <troupe/error.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <tuple>

#include "os/file.h"

namespace troupe::os {

namespace {

constexpr int kBacklog = 16;

sockaddr_un addressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw Error(ErrorKind::invalid, "the path of the client socket is too long: " + path + " has " +
                                        std::to_string(path.size()) + " bytes, and the system takes " +
                                        std::to_string(sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Fd makeSocket(int flags = SOCK_NONBLOCK) {
  Fd made(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0));
  if (!made.valid()) throw Error::system("cannot make a client socket", errno);
  return made;
}

std::string folderName() {
  const auto set = [](const char* value) { return value != nullptr && *value != '\0'; };
  if (const char* own = std::getenv("TROUPE_RUNTIME_DIR"); set(own)) return own;
  if (const char* users = std::getenv("XDG_RUNTIME_DIR"); set(users)) return std::string(users) + "/troupe";
  return "/tmp/troupe-" + std::to_string(::geteuid());
}

// "shop.123": the app's name may have dots too.
std::optional<ClientSocket> parse(const std::string& folder, const std::string& name) {
  const auto dot = name.rfind('.');
  if (dot == std::string::npos || dot == 0 || name[0] == '.') return std::nullopt;
  ClientSocket socket{.app = name.substr(0, dot), .path = folder + "/" + name};
  const char* const end = name.data() + name.size();
  const auto [last, fault] = std::from_chars(name.data() + dot + 1, end, socket.pid);
  if (fault != std::errc() || last != end || socket.pid <= 0) return std::nullopt;
  return socket;
}

// An errno.
int tryToConnect(const Fd& made, const ClientSocket& socket) {
  const sockaddr_un address = addressOf(socket.path);
  return ::connect(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ? errno : 0;
}

bool peerIn(const Fd& connection, ucred& peer) {
  socklen_t bytes = sizeof peer;
  return ::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0;
}

}  // namespace

std::string clientFolder() {
  std::string folder = folderName();
  makeFolder(folder);
  struct stat status = {};
  if (::lstat(folder.c_str(), &status) < 0) throw Error::system("cannot look at the folder " + folder, errno);
  if (!S_ISDIR(status.st_mode)) throw Error(ErrorKind::invalid, folder + " is no folder");
  // Root may look at everybody's apps.
  if (status.st_uid != ::geteuid() && ::geteuid() != 0) {
    throw Error(ErrorKind::invalid, "the folder " + folder + " belongs to user " +
                                        std::to_string(status.st_uid) + ", and this process runs as user " +
                                        std::to_string(::geteuid()));
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    throw Error(ErrorKind::invalid, "others than its owner may write to the folder " + folder);
  return folder;
}

ClientSocket clientSocketOf(const std::string& app, const std::string& folder) {
  const pid_t pid = ::getpid();
  return {.app = app, .pid = pid, .path = folder + "/" + app + "." + std::to_string(pid)};
}

Fd listenForClients(const ClientSocket& socket) {
  // Bound beside, and moved to its place when it listens: whoever sees it there and is refused knows that it is stale.
  const auto slash = socket.path.rfind('/') + 1;
  const std::string beside = socket.path.substr(0, slash) + "." + socket.path.substr(slash);
  static_cast<void>(addressOf(beside));
  Fd listener = makeSocket();
  // On Linux the file takes its mode from the socket.
  ::fchmod(listener.get(), 0600);
  ::unlink(beside.c_str());
  const sockaddr_un address = addressOf(beside);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
      ::chmod(beside.c_str(), 0600) < 0 || ::listen(listener.get(), kBacklog) < 0 ||
      ::rename(beside.c_str(), socket.path.c_str()) < 0) {
    const int error = errno;
    ::unlink(beside.c_str());
    throw Error::system("cannot make the client socket " + socket.path, error);
  }
  return listener;
}

void removeClientSocket(const ClientSocket& socket) {
  if (socket.pid == ::getpid()) ::unlink(socket.path.c_str());
}

std::vector<ClientSocket> clientSockets(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(folder.c_str()), ::closedir);
  if (!entries) throw Error::system("cannot read the folder " + folder, errno);
  std::vector<ClientSocket> found;
  while (const dirent* entry = ::readdir(entries.get())) {
    auto socket = parse(folder, entry->d_name);
    struct stat status = {};
    if (!socket || ::lstat(socket->path.c_str(), &status) < 0 || !S_ISSOCK(status.st_mode)) continue;
    if (tryToConnect(makeSocket(), *socket) == ECONNREFUSED) {
      ::unlink(socket->path.c_str());
    } else {
      found.push_back(std::move(*socket));
    }
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return std::tie(a.app, a.pid) < std::tie(b.app, b.pid); });
  return found;
}

ClientSocket clientSocketCalled(const std::string& name) {
  if (name.find('/') != std::string::npos) return {.app = name, .path = name};
  std::vector<ClientSocket> found;
  std::string all;
  for (const auto& app : clientSockets(clientFolder())) {
    if (app.title() == name) return app;
    if (app.app == name) found.push_back(app);
    all += (all.empty() ? "" : ", ") + app.title();
  }
  if (found.size() == 1) return found[0];
  if (found.empty()) {
    throw Error::gone(
        "no app called \"" + name + "\" runs" + (all.empty() ? "; nor does any other" : "; these do: " + all),
        {});
  }
  std::string which;
  for (const auto& app : found) which += (which.empty() ? "" : ", ") + app.title();
  throw Error::gone(
      std::to_string(found.size()) + " apps are called \"" + name + "\"; say which one: " + which, {});
}

Fd connectToClientSocket(const ClientSocket& socket, std::chrono::milliseconds patience) {
  Fd made = makeSocket(0);
  const auto ms = std::max<std::int64_t>(patience.count(), 1);
  const timeval limit{.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
  ::setsockopt(made.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const int error = tryToConnect(made, socket);
  if (error == ECONNREFUSED || error == ENOENT) return {};
  if (error == EAGAIN)
    throw Error(ErrorKind::timedOut, "cannot connect to " + socket.path +
                                         ": nobody has taken the connection in within " + std::to_string(ms) +
                                         " ms");
  if (error != 0) throw Error::system("cannot connect to " + socket.path, error);
  setNonBlocking(made.get());
  return made;
}

namespace {
void waitFor(int fd, short events, std::chrono::milliseconds limit) {
  pollfd poll{.fd = fd, .events = events, .revents = 0};
  ::poll(&poll, 1, limit.count() < 0 ? -1 : static_cast<int>(limit.count()));
}
}  // namespace

void waitReadable(int fd, std::chrono::milliseconds limit) { waitFor(fd, POLLIN, limit); }

void waitReadableOrWritable(int fd, std::chrono::milliseconds limit) { waitFor(fd, POLLIN | POLLOUT, limit); }

bool peerIsAllowed(const Fd& connection) {
  ucred peer = {};
  return peerIn(connection, peer) && (peer.uid == ::geteuid() || peer.uid == 0);
}

pid_t peerOf(const Fd& connection) {
  ucred peer = {};
  return peerIn(connection, peer) ? peer.pid : 0;
}

}  // namespace troupe::os
