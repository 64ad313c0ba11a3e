#include "os/channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <troupe/error.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace troupe::os {
namespace {

constexpr std::size_t kControlBytes = CMSG_SPACE(kMaxChannelDescriptors * sizeof(int));

// Takes every descriptor out of what came with a message, so that none leaks whatever happens later.
void takeDescriptors(msghdr& header, std::vector<Fd>& into) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      into.emplace_back(fd);
    }
  }
}

void checkMessage(std::span<const std::byte> message, std::span<const int> descriptors) {
  // An empty message could not be told from the end.
  if (message.empty() || message.size() > kMaxChannelMessageBytes)
    throw Error(ErrorKind::invalid, "a control message has 1 to " + std::to_string(kMaxChannelMessageBytes) +
                                        " bytes, not " + std::to_string(message.size()));
  if (descriptors.size() > kMaxChannelDescriptors)
    throw Error(ErrorKind::invalid, "a control message takes at most " +
                                        std::to_string(kMaxChannelDescriptors) + " descriptors, not " +
                                        std::to_string(descriptors.size()));
}

}  // namespace

std::pair<Fd, Fd> makeChannel() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
    throw Error::system("cannot make a control channel", errno);
  return {Fd(ends[0]), Fd(ends[1])};
}

ChannelState sendOn(int channel, std::span<const std::byte> message, std::span<const int> descriptors) {
  checkMessage(message, descriptors);
  iovec part = {const_cast<std::byte*>(message.data()), message.size()};
  alignas(cmsghdr) std::array<std::byte, kControlBytes> control = {};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
  }
  for (;;) {
    if (::sendmsg(channel, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return ChannelState::done;
    switch (errno) {
      case EINTR: continue;
      case EAGAIN:
      case ENOBUFS:
      case ENOMEM:
      case ETOOMANYREFS:  // the user's limit of descriptors under way: falls as others receive theirs
        return ChannelState::wouldBlock;
      case EPIPE:
      case ECONNRESET:
      case ENOTCONN: return ChannelState::closed;
      default: throw Error::system("cannot send on the control channel", errno);
    }
  }
}

void waitForMessage(int channel) {
  pollfd poll{.fd = channel, .events = POLLIN, .revents = 0};
  while (::poll(&poll, 1, -1) < 0 && errno == EINTR) {}
}

ChannelState receiveFrom(int channel, ChannelMessage& message) {
  message.bytes.clear();
  message.descriptors.clear();
  message.descriptorsLost = false;
  // Not on the stack: below so much room lie pages that a forked process would have to copy.
  static thread_local std::array<std::byte, kMaxChannelMessageBytes> room;
  alignas(cmsghdr) std::array<std::byte, kControlBytes> control;
  for (;;) {
    iovec part = {room.data(), room.size()};
    msghdr header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(channel, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got > 0) {
      takeDescriptors(header, message.descriptors);
      message.descriptorsLost = (header.msg_flags & MSG_CTRUNC) != 0;
      message.bytes.assign(room.data(), room.data() + got);
      return ChannelState::done;
    }
    if (got == 0) return ChannelState::closed;
    // ECONNRESET tells, once, that the other end went without reading all; what it had sent is still to be
    // received.
    if (errno == EINTR || errno == ECONNRESET) continue;
    if (errno == EAGAIN) return ChannelState::wouldBlock;
    throw Error::system("cannot receive from the control channel", errno);
  }
}

}  // namespace troupe::os
