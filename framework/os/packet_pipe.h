// A pipe in packet mode: every write of at most kPacketBytes is atomic and is read back whole, by exactly one
// reader.
//
// A pipe is made as one descriptor opened for both reading and writing, the keeper: while somebody holds it,
// neither end is ever seen as closed. Ends that are given away are open descriptions of their own,
// non-blocking, close-on-exec.
//
// Order:   packets come out in the order in which they went in.
// Errors:  making and reopening throw `system`; reading and writing answer with a state.
// Threads: any number of processes and threads may read and write one pipe.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "os/fd.h"

namespace troupe::os {

inline constexpr std::size_t kPacketBytes = 4096;  // PIPE_BUF on Linux

// `bytes` of buffer are asked for where not 0; the system's refusal (EPERM, EBUSY) only costs speed and is no
// error.
Fd makePacketPipe(std::size_t bytes = 0);
// The keeper, and a read end, which costs less than opening one later.
std::pair<Fd, Fd> makeReadPipe(std::size_t bytes = 0);
Fd openWriteEnd(const Fd& keeper);
Fd openReadEnd(const Fd& keeper);
// The pipe may hold so many packets from here on, if it held less and the system has the room; `fd` is any of its ends.
void makeRoom(int fd, std::size_t packets);

enum class PipeState {
  done,        // one packet was moved
  wouldBlock,  // empty, when reading; full, when writing
  closed,      // no other end is open any more
};

struct PacketRead {
  PipeState state;
  std::size_t bytes;
};

// Reads one packet into `into`, which must have room for kPacketBytes. EINTR is retried.
PacketRead readPacket(int fd, void* into);
// How many bytes nobody has read yet; 0 where that can't be told.
std::size_t waitingBytes(int fd);
PipeState writePacket(int fd, const void* packet, std::size_t bytes);

// Copies of all packets that lie in a pipe, which stay there. Nothing where the system has no room for that. Errors: system.
std::optional<std::vector<std::vector<std::byte>>> peekPackets(const Fd& keeper);

}  // namespace troupe::os
