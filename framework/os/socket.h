// TCP and Unix-socket sockets, non-blocking and close-on-exec.
//
// An address is "host:port" ("127.0.0.1:9696", "[::1]:9696", "localhost:0", ":9696" for all interfaces) or
// "unix:/path". Port 0 lets the system choose. A host name is looked up with getaddrinfo(3), which may wait
// for a name server.
//
// Errors:  invalid, for an address that makes no sense; system, naming the address.
// Threads: one user at a time for each socket, except that any number may accept from one listener.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "os/fd.h"

namespace troupe::os {

// Bound and listening. TCP: SO_REUSEADDR. Unix: a socket file that nobody answers on is replaced; one in use
// is an error.
Fd listenAt(const std::string& address, int backlog);

// Where a client may try to connect, in the order of preference: `address` with its host name looked up.
std::vector<std::string> resolveAddress(const std::string& address);

// Starts to connect; the result is known when it becomes writable: connectError() is then 0 or errno.
Fd startConnect(const std::string& address);  // EAGAIN: a Unix socket whose backlog is full just now
int connectError(int socket);

enum class SocketState { done, wouldBlock, closed, failed };

struct SocketResult {
  SocketState state;
  std::size_t bytes = 0;
  int error = 0;  // errno with `failed`
};

SocketResult readSocket(int socket, std::span<std::byte> into);  // closed: the peer has ended its side
SocketResult writeSocket(int socket, std::span<const std::byte> bytes);  // never raises SIGPIPE
// Accepts one connection into `accepted`. A connection that was aborted meanwhile is skipped. `failed` with
// EMFILE & co.
SocketResult acceptFrom(int listener, Fd& accepted);
void shutdownWrite(int socket);

// A TCP address, "unix:/path", or "unix:" for a Unix socket without a name.
std::string localAddress(int socket);
std::string peerAddress(int socket);
unsigned localPort(int socket);  // 0 for a Unix socket

}  // namespace troupe::os
