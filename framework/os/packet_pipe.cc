#include "os/packet_pipe.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <troupe/error.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string>

namespace troupe::os {
namespace {

// A new open description of a pipe. O_DIRECT is set afterwards: open() may refuse it for a pipe, F_SETFL does
// not.
Fd openAgain(int pipe, int access) {
  const std::string path = "/proc/self/fd/" + std::to_string(pipe);
  Fd opened(::open(path.c_str(), access | O_NONBLOCK | O_CLOEXEC));
  if (!opened.valid())
    throw Error::system("cannot open the pipe behind descriptor " + path + " again", errno);
  if (::fcntl(opened.get(), F_SETFL, O_DIRECT | O_NONBLOCK) < 0)
    throw Error::system("cannot put a pipe into packet mode", errno);
  return opened;
}

}  // namespace

Fd makePacketPipe(std::size_t bytes) { return makeReadPipe(bytes).first; }

std::pair<Fd, Fd> makeReadPipe(std::size_t bytes) {
  int ends[2];
  if (::pipe2(ends, O_DIRECT | O_NONBLOCK | O_CLOEXEC) < 0) throw Error::system("cannot make a pipe", errno);
  Fd reader(ends[0]);
  const Fd writer(ends[1]);
  Fd keeper = openAgain(reader.get(), O_RDWR);
  // Without privileges the buffers of all pipes of a user come out of one budget: no means smaller, and
  // slower.
  if (bytes != 0) (void)::fcntl(keeper.get(), F_SETPIPE_SZ, static_cast<int>(bytes));
  return {std::move(keeper), std::move(reader)};
}

Fd openWriteEnd(const Fd& keeper) { return openAgain(keeper.get(), O_WRONLY); }

Fd openReadEnd(const Fd& keeper) { return openAgain(keeper.get(), O_RDONLY); }

void makeRoom(int fd, std::size_t packets) {
  const int bytes = static_cast<int>(packets * kPacketBytes);
  if (::fcntl(fd, F_GETPIPE_SZ) < bytes) (void)::fcntl(fd, F_SETPIPE_SZ, bytes);
}

PacketRead readPacket(int fd, void* into) {
  for (;;) {
    const ssize_t got = ::read(fd, into, kPacketBytes);
    if (got > 0) return {PipeState::done, static_cast<std::size_t>(got)};
    if (got == 0) return {PipeState::closed, 0};
    if (errno == EAGAIN) return {PipeState::wouldBlock, 0};
    if (errno != EINTR)
      throw Error::system("cannot read a packet from descriptor " + std::to_string(fd), errno);
  }
}

std::size_t waitingBytes(int fd) {
  int bytes = 0;
  return ::ioctl(fd, FIONREAD, &bytes) < 0 ? 0 : static_cast<std::size_t>(bytes);
}

PipeState writePacket(int fd, const void* packet, std::size_t bytes) {
  if (bytes == 0 || bytes > kPacketBytes)
    throw Error(ErrorKind::invalid,
                "a packet has 1 to " + std::to_string(kPacketBytes) + " bytes, not " + std::to_string(bytes));
  for (;;) {
    if (::write(fd, packet, bytes) >= 0) return PipeState::done;  // all of it: such a write is atomic
    if (errno == EAGAIN) return PipeState::wouldBlock;
    if (errno == EPIPE) return PipeState::closed;
    if (errno != EINTR)
      throw Error::system("cannot write a packet to descriptor " + std::to_string(fd), errno);
  }
}

std::optional<std::vector<std::vector<std::byte>>> peekPackets(const Fd& keeper) {
  const int bytes = ::fcntl(keeper.get(), F_GETPIPE_SZ);
  const Fd copy = makePacketPipe(static_cast<std::size_t>(bytes));
  if (bytes < 0 || ::fcntl(copy.get(), F_GETPIPE_SZ) < bytes) return std::nullopt;
  if (::tee(keeper.get(), copy.get(), INT_MAX, SPLICE_F_NONBLOCK) < 0 && errno != EAGAIN) return std::nullopt;
  std::vector<std::vector<std::byte>> packets;
  std::vector<std::byte> packet(kPacketBytes);
  for (;;) {
    const PacketRead read = readPacket(copy.get(), packet.data());
    if (read.state != PipeState::done) return packets;
    packets.emplace_back(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(read.bytes));
  }
}

}  // namespace troupe::os
