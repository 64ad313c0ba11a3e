// The echo server as it is written by hand with a process for each connection: accept, fork, and let the child
// serve. A program of its own, with nothing in it but this, since a fork costs what the program holds.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace {

[[noreturn]] void failOfSystem(const char* what) {
  std::perror(what);
  std::exit(1);
}

void reap(int) {
  const int before = errno;
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {}
  errno = before;
}

bool sendAll(int peer, const char* bytes, std::size_t count) {
  while (count > 0) {
    const ssize_t sent = ::send(peer, bytes, count, MSG_NOSIGNAL);
    if (sent < 0) return false;
    bytes += sent;
    count -= static_cast<std::size_t>(sent);
  }
  return true;
}

void echo(int peer) {
  static char buffer[16 * 1024];
  for (;;) {
    const ssize_t got = ::recv(peer, buffer, sizeof buffer, 0);
    if (got <= 0 || !sendAll(peer, buffer, static_cast<std::size_t>(got))) return;
  }
}

int listenHere() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (listener < 0 || ::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
      ::listen(listener, 4096) < 0) {
    failOfSystem("no listening socket");
  }
  return listener;
}

unsigned portOf(int listener) {
  sockaddr_in address = {};
  socklen_t bytes = sizeof address;
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &bytes) < 0) failOfSystem("getsockname");
  return ntohs(address.sin_port);
}

}  // namespace

int main() {
  struct sigaction onChild = {};
  onChild.sa_handler = reap;
  onChild.sa_flags = SA_RESTART | SA_NOCLDSTOP;
  ::sigaction(SIGCHLD, &onChild, nullptr);
  const int listener = listenHere();
  std::printf("fork_echo listens on port %u\n", portOf(listener));
  std::fflush(nullptr);
  for (;;) {
    const int peer = ::accept(listener, nullptr, nullptr);
    if (peer < 0) failOfSystem("no connection can be accepted");
    const pid_t child = ::fork();
    if (child < 0) failOfSystem("no process");
    if (child == 0) {
      ::close(listener);
      echo(peer);
      ::_exit(0);
    }
    ::close(peer);
  }
}
