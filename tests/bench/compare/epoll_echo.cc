// The echo server as it is written by hand for Linux: prefork, non-blocking, epoll.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "os/limits.h"
#include "tests/bench/compare/echo_server.h"
#include "tests/bench/compare/figure.h"

namespace troupe::bench {

namespace {

void add(int epoll, int fd, unsigned events) {
  epoll_event event = {};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) failOfSystem("epoll_ctl failed");
}

void accept(int epoll, int listener) {
  const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
  if (fd < 0 && errno != EAGAIN) failOfSystem("no connection can be accepted");
  if (fd >= 0) add(epoll, fd, EPOLLIN);
}

// Answers of this size fit the socket's buffer.
void echo(int fd) {
  static std::array<char, 16 * 1024> buffer;
  const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0 || ::send(fd, buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) ::close(fd);
}

[[noreturn]] void serve(int listener) {
  const int epoll = ::epoll_create1(0);
  add(epoll, listener, EPOLLIN | EPOLLEXCLUSIVE);
  for (;;) {
    epoll_event events[64];
    const int count = ::epoll_wait(epoll, events, 64, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      fd == listener ? accept(epoll, listener) : echo(fd);
    }
  }
}

}  // namespace

Listening listenHere() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
      ::listen(fd, 4096) < 0 || ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes) < 0) {
    failOfSystem("no listening socket");
  }
  return {.fd = fd, .port = ntohs(address.sin_port)};
}

EchoServer startEpollEcho() {
  const Listening listening = listenHere();
  EchoServer server(listening.port);
  for (unsigned i = 0; i < os::usableCores(); ++i) {
    server.processes.push_back(std::make_unique<os::test::Child>([&]() -> int { serve(listening.fd); }));
  }
  ::close(listening.fd);
  return server;
}

}  // namespace troupe::bench
