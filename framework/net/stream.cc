#include <troupe/error.h>
#include <troupe/net.h>

#include <cerrno>
#include <utility>

#include "net/endpoint.h"
#include "os/socket.h"

namespace troupe::net {
namespace {

constexpr auto kFullBacklogPause = std::chrono::milliseconds(5);

Task<Bytes> readSomeFrom(std::shared_ptr<Endpoint> from, std::span<std::byte> buffer) {
  if (buffer.empty())
    throw Error(ErrorKind::invalid, "nothing can be read from " + from->peer() + " into an empty buffer");
  const Endpoint::Claim claim = from->claimReading();
  if (from->turnIsOver()) co_await NextTurn();
  if (from->exhausted()) co_await from->readable();
  for (;;) {
    const os::SocketResult result = os::readSocket(from->fd(), buffer);
    if (result.state == os::SocketState::done) {
      from->hasRead(result.bytes, buffer.size());
      co_return Bytes(buffer.first(result.bytes));
    }
    if (result.state == os::SocketState::closed) co_return Bytes();
    if (result.state == os::SocketState::failed)
      throw Error::system("cannot read from " + from->peer(), result.error);
    co_await from->readable();
  }
}

Task<> writeAllTo(std::shared_ptr<Endpoint> to, std::span<const std::byte> bytes) {
  const Endpoint::Claim claim = to->claimWriting();
  while (!bytes.empty()) {
    if (to->turnIsOver()) co_await NextTurn();
    const os::SocketResult result = os::writeSocket(to->fd(), bytes);
    if (result.state == os::SocketState::failed)
      throw Error::system("cannot write to " + to->peer(), result.error);
    if (result.state == os::SocketState::wouldBlock)
      co_await to->writable();
    else
      bytes = bytes.subspan(result.bytes);
  }
}

// A Unix socket whose backlog is full can't be waited for: it is asked again.
Task<os::Fd> beginTo(std::string address) {
  for (;;) {
    bool full = false;
    try {
      co_return os::startConnect(address);
    } catch (const Error& error) {
      if (error.systemError() != EAGAIN) throw;
      full = true;
    }
    if (full) co_await Pause(kFullBacklogPause);
  }
}

Task<Stream> connectTo(std::string address) {
  const auto endpoint = std::make_shared<Endpoint>(co_await beginTo(address));
  co_await endpoint->writable();
  if (const int error = os::connectError(endpoint->fd()); error != 0)
    throw Error::system("cannot connect to " + address, error);
  co_return Stream::fromFd(endpoint->release());
}

}  // namespace

Stream Stream::fromFd(int fd) {
  os::Fd owned(fd);
  os::setNonBlocking(fd);
  return Stream(std::make_shared<Endpoint>(std::move(owned)));
}

int Stream::releaseFd() {
  const int fd = endpoint().release();
  endpoint_.reset();
  return fd;
}

Task<Bytes> Stream::readSome(std::span<std::byte> buffer) {
  endpoint();
  return readSomeFrom(endpoint_, buffer);
}

Task<> Stream::writeAll(std::span<const std::byte> bytes) {
  endpoint();
  return writeAllTo(endpoint_, bytes);
}

Task<> Stream::writeAll(std::string_view text) { return writeAll(std::as_bytes(std::span(text))); }

void Stream::closeWrite() { os::shutdownWrite(fd()); }

std::string Stream::address() const { return os::localAddress(fd()); }

std::string Stream::peerAddress() const { return endpoint().peer(); }

int Stream::fd() const { return endpoint().fd(); }

Endpoint& Stream::endpoint() const {
  if (!endpoint_)
    throw Error(ErrorKind::invalid, "this stream is empty: it has been moved from, or its socket taken out");
  return *endpoint_;
}

Task<Stream> connect(std::string address) {
  int lastError = 0;
  for (const std::string& one : os::resolveAddress(address)) {
    try {
      co_return co_await connectTo(one);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::system) throw;
      lastError = error.systemError();
    }
  }
  throw Error::system("cannot connect to " + address, lastError);
}

}  // namespace troupe::net
