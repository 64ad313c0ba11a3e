// The socket of a running app that the `troupe` command finds: a SOCK_SEQPACKET Unix socket in a folder of its user's,
// called "<app>.<pid>", which its owner alone can use. What travels on it goes through os/channel.h.
//
// The folder: $TROUPE_RUNTIME_DIR; or $XDG_RUNTIME_DIR/troupe; or /tmp/troupe-<uid>. It must be the user's own, and nobody else may
// write to it.
//
// A socket appears under its name when it can be connected to, and refuses connections from its owner's death on, however
// that dies: so one that refuses is stale, and may be removed by anybody who sees it.
//
// Errors:  system, invalid, timedOut; naming the path.
// Threads: one user at a time.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "os/fd.h"

namespace troupe::os {

struct ClientSocket {
  std::string app;
  pid_t pid = 0;
  std::string path;
  // "shop.1234"; the path, where only that is known.
  std::string title() const { return pid == 0 ? path : app + "." + std::to_string(pid); }
};

// Makes the folder where it is not there, and checks whose it is.
std::string clientFolder();
// The socket's name for an app of this process.
ClientSocket clientSocketOf(const std::string& app, const std::string& folder);

// Listens there; non-blocking, close-on-exec. Replaces what a dead process of this pid has left.
Fd listenForClients(const ClientSocket& socket);
// Removes it, if it is this process's own.
void removeClientSocket(const ClientSocket& socket);

// All that are answered, by app and pid; removes those that are stale.
std::vector<ClientSocket> clientSockets(const std::string& folder);

// The one of this name, or of this "name.pid"; or, where it has a '/' in it, at this path.
// Errors: gone, where there is none, or several; it says which there are.
ClientSocket clientSocketCalled(const std::string& name);

// A connection, non-blocking. Not valid where nobody answers any more. While others wait to be taken in it blocks, for `patience`
// at most. Errors: timedOut (it was not taken in); system (no permission).
Fd connectToClientSocket(const ClientSocket& socket, std::chrono::milliseconds patience);
// Until there is something to read, or `limit` is over; negative: no limit.
void waitReadable(int fd, std::chrono::milliseconds limit);
// Or room to write.
void waitReadableOrWritable(int fd, std::chrono::milliseconds limit);
// Whether the peer is a process of this user or of root.
bool peerIsAllowed(const Fd& connection);
// The process that has connected; 0, where it can't be named here.
pid_t peerOf(const Fd& connection);

}  // namespace troupe::os
