#include "os/socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <troupe/error.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

namespace troupe::os {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t bytes = sizeof(sockaddr_storage);

  int family() const { return storage.ss_family; }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

enum class Purpose { listen, connect };

Error wrongAddress(const std::string& address, const std::string& why) {
  return Error(ErrorKind::invalid, "the address \"" + address + "\" makes no sense: " + why);
}

bool isUnix(const std::string& address) { return address.starts_with(kUnixPrefix); }

SocketAddress unixAddress(const std::string& address) {
  const std::string path = address.substr(kUnixPrefix.size());
  if (path.empty()) throw wrongAddress(address, "the path is empty");
  SocketAddress result;
  auto& un = reinterpret_cast<sockaddr_un&>(result.storage);
  if (path.size() >= sizeof(un.sun_path))
    throw wrongAddress(address,
                       "a socket's path has at most " + std::to_string(sizeof(un.sun_path) - 1) + " bytes");
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path.c_str(), path.size() + 1);
  result.bytes = sizeof(sockaddr_un);
  return result;
}

struct HostAndPort {
  std::string host;
  std::string port;
};

HostAndPort split(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) throw wrongAddress(address, "it has to look like host:port or unix:/path");
  HostAndPort result{address.substr(0, colon), address.substr(colon + 1)};
  const bool digits =
      std::all_of(result.port.begin(), result.port.end(), [](unsigned char c) { return std::isdigit(c); });
  if (result.port.empty() || result.port.size() > 5 || !digits || std::stoul(result.port) > 65535)
    throw wrongAddress(address, "\"" + result.port + "\" is no port (0 to 65535)");
  std::string& host = result.host;
  if (host.starts_with('[') && host.ends_with(']') && host.size() > 2)
    host = host.substr(1, host.size() - 2);
  else if (host.find_first_of(":[]") != std::string::npos)
    throw wrongAddress(address, "an IPv6 address needs brackets, such as [::1]:80");
  return result;
}

std::vector<SocketAddress> lookUp(const std::string& address, Purpose purpose) {
  if (isUnix(address)) return {unixAddress(address)};
  const HostAndPort parts = split(address);
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (purpose == Purpose::listen ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(parts.host.empty() ? nullptr : parts.host.c_str(), parts.port.c_str(), &hints, &found);
  if (error == EAI_SYSTEM) throw Error::system("cannot look up the host of \"" + address + "\"", errno);
  if (error != 0)
    throw wrongAddress(address, std::string("its host is unknown (") + ::gai_strerror(error) + ")");
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::vector<SocketAddress> result;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    SocketAddress entry;
    std::memcpy(&entry.storage, one->ai_addr, one->ai_addrlen);
    entry.bytes = one->ai_addrlen;
    result.push_back(entry);
  }
  // All interfaces: one IPv6 socket serves both families, so it is the first choice.
  if (purpose == Purpose::listen && parts.host.empty())
    std::partition(result.begin(), result.end(), [](const auto& one) { return one.family() == AF_INET6; });
  return result;
}

std::string inetText(const in_addr& host, in_port_t port) {
  std::array<char, INET_ADDRSTRLEN> text = {};
  ::inet_ntop(AF_INET, &host, text.data(), text.size());
  return std::string(text.data()) + ":" + std::to_string(ntohs(port));
}

std::string textOf(const SocketAddress& address) {
  if (address.family() == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address.storage);
    return inetText(in.sin_addr, in.sin_port);
  }
  if (address.family() == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(address.storage);
    if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) {
      in_addr host = {};
      std::memcpy(&host, &in.sin6_addr.s6_addr[12], sizeof(host));
      return inetText(host, in.sin6_port);
    }
    std::array<char, INET6_ADDRSTRLEN> text = {};
    ::inet_ntop(AF_INET6, &in.sin6_addr, text.data(), text.size());
    return "[" + std::string(text.data()) + "]:" + std::to_string(ntohs(in.sin6_port));
  }
  const auto& un = reinterpret_cast<const sockaddr_un&>(address.storage);
  if (address.bytes <= offsetof(sockaddr_un, sun_path)) return std::string(kUnixPrefix);
  const std::size_t room = address.bytes - offsetof(sockaddr_un, sun_path);
  return std::string(kUnixPrefix) + std::string(un.sun_path, ::strnlen(un.sun_path, room));
}

SocketAddress nameOf(int socket, int (*ask)(int, sockaddr*, socklen_t*)) {
  SocketAddress result;
  if (ask(socket, result.get(), &result.bytes) < 0)
    throw Error::system("cannot read the address of socket " + std::to_string(socket), errno);
  return result;
}

Fd makeSocket(int family, const std::string& address) {
  Fd made(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!made.valid()) throw Error::system("cannot make a socket for " + address, errno);
  return made;
}

// Each write leaves at once: those who write little at a time and want it gathered do so themselves.
void sendAtOnce(int socket, int family) {
  const int on = 1;
  if (family != AF_UNIX) ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

// A socket file outlives its process. It may be removed only where it is a socket and nobody answers on it.
bool removeStale(const SocketAddress& where, const std::string& address) {
  const char* path = reinterpret_cast<const sockaddr_un&>(where.storage).sun_path;
  struct stat status = {};
  if (::lstat(path, &status) < 0 || !S_ISSOCK(status.st_mode)) return false;
  const Fd probe = makeSocket(AF_UNIX, address);
  if (::connect(probe.get(), where.get(), where.bytes) == 0 || errno != ECONNREFUSED) return false;
  return ::unlink(path) == 0;
}

int bindAndListen(const Fd& listener, const SocketAddress& where, const std::string& address, int backlog) {
  const int on = 1;
  const int off = 0;
  if (where.family() != AF_UNIX) ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (where.family() == AF_INET6 &&
      IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6&>(where.storage).sin6_addr))
    ::setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  int bound = ::bind(listener.get(), where.get(), where.bytes);
  if (bound < 0 && errno == EADDRINUSE && where.family() == AF_UNIX) {
    if (!removeStale(where, address)) return EADDRINUSE;
    bound = ::bind(listener.get(), where.get(), where.bytes);
  }
  if (bound < 0 || ::listen(listener.get(), backlog) < 0) return errno;
  return 0;
}

// Accept reports errors of the network that belong to the new connection alone: the next one may be well
// (accept(2)).
bool concernsOneConnection(int error) {
  constexpr std::array kSuch = {EINTR,     ECONNABORTED, EPROTO, ENETDOWN,     ENOPROTOOPT,
                                EHOSTDOWN, ENONET,       EPERM,  EHOSTUNREACH, ENETUNREACH};
  return std::find(kSuch.begin(), kSuch.end(), error) != kSuch.end();
}

}  // namespace

Fd listenAt(const std::string& address, int backlog) {
  int error = 0;
  for (const SocketAddress& where : lookUp(address, Purpose::listen)) {
    Fd listener(::socket(where.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    error = listener.valid() ? bindAndListen(listener, where, address, backlog) : errno;
    if (error == 0) return listener;
    // The machine may lack this family (IPv6, say) and have the next.
    if (error != EAFNOSUPPORT && error != EADDRNOTAVAIL) break;
  }
  throw Error::system("cannot listen at " + address, error);
}

std::vector<std::string> resolveAddress(const std::string& address) {
  std::vector<std::string> result;
  for (const SocketAddress& one : lookUp(address, Purpose::connect)) result.push_back(textOf(one));
  return result;
}

Fd startConnect(const std::string& address) {
  const SocketAddress where = lookUp(address, Purpose::connect).front();
  Fd made = makeSocket(where.family(), address);
  sendAtOnce(made.get(), where.family());
  // An interrupted connect goes on by itself, as one that takes its time does.
  if (::connect(made.get(), where.get(), where.bytes) < 0 && errno != EINPROGRESS && errno != EINTR)
    throw Error::system("cannot connect to " + address, errno);
  return made;
}

int connectError(int socket) {
  int error = 0;
  socklen_t bytes = sizeof(error);
  return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0 ? errno : error;
}

SocketResult readSocket(int socket, std::span<std::byte> into) {
  if (into.empty()) return {SocketState::done};
  for (;;) {
    const ssize_t got = ::recv(socket, into.data(), into.size(), MSG_DONTWAIT);
    if (got > 0) return {SocketState::done, static_cast<std::size_t>(got)};
    if (got == 0) return {SocketState::closed};
    if (errno == EAGAIN) return {SocketState::wouldBlock};
    if (errno != EINTR) return {SocketState::failed, 0, errno};
  }
}

SocketResult writeSocket(int socket, std::span<const std::byte> bytes) {
  for (;;) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return {SocketState::done, static_cast<std::size_t>(sent)};
    if (errno == EAGAIN) return {SocketState::wouldBlock};
    if (errno != EINTR) return {SocketState::failed, 0, errno};
  }
}

SocketResult acceptFrom(int listener, Fd& accepted) {
  for (;;) {
    SocketAddress peer;
    const int fd = ::accept4(listener, peer.get(), &peer.bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      accepted.reset(fd);
      sendAtOnce(fd, peer.family());
      return {SocketState::done};
    }
    if (errno == EAGAIN) return {SocketState::wouldBlock};
    if (!concernsOneConnection(errno)) return {SocketState::failed, 0, errno};
  }
}

void shutdownWrite(int socket) { ::shutdown(socket, SHUT_WR); }

std::string localAddress(int socket) { return textOf(nameOf(socket, ::getsockname)); }

std::string peerAddress(int socket) { return textOf(nameOf(socket, ::getpeername)); }

unsigned localPort(int socket) {
  const SocketAddress address = nameOf(socket, ::getsockname);
  if (address.family() == AF_INET)
    return ntohs(reinterpret_cast<const sockaddr_in&>(address.storage).sin_port);
  if (address.family() == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_port);
  return 0;
}

}  // namespace troupe::os
