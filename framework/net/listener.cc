#include <troupe/error.h>
#include <troupe/net.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

#include "loop/task_group.h"
#include "net/endpoint.h"
#include "os/socket.h"

namespace troupe::net {
namespace {

// Between two attempts to accept while there are no descriptors. Connections that end give some back at any
// time.
constexpr auto kShortagePause = std::chrono::milliseconds(50);

// Whether the last connection of a process that is about to end has gone.
constexpr auto kLookAgain = std::chrono::milliseconds(10);

using OnError = std::function<void(const std::string& address, std::exception_ptr error)>;

bool isShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

Task<Stream> acceptAt(std::shared_ptr<Endpoint> listener) {
  if (listener->turnIsOver()) co_await NextTurn();
  for (;;) {
    if (loop::currentLoop().draining())
      throw Error::gone("accepting connections: this process is about to end", {});
    os::Fd accepted;
    const os::SocketResult result = os::acceptFrom(listener->fd(), accepted);
    if (result.state == os::SocketState::done) co_return Stream::fromFd(accepted.release());
    if (result.state != os::SocketState::wouldBlock)
      throw Error::system("cannot accept a connection at " + os::localAddress(listener->fd()), result.error);
    // Another process that accepts here may have been faster, also after the wait.
    co_await listener->readable();
  }
}

void writeLine(const std::string& address, std::exception_ptr error) {
  std::string what = "an exception of an unknown type";
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& exception) {
    what = exception.what();
  } catch (...) {}
  std::fputs(("connection " + address + ": " + what + "\n").c_str(), stderr);
}

// What the references lead to is in the frame of serveAt(), which holds the group that this belongs to.
Task<> handle(const Listener::Handler& handler, Stream peer, const OnError& onError) {
  const std::string address = peer.peerAddress();
  std::exception_ptr failure;
  try {
    co_await handler(std::move(peer));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) onError(address, failure);
}

Task<> serveAt(std::shared_ptr<Endpoint> listener, Listener::Handler handler, OnError onError) {
  // After what it refers to, so that it goes first.
  loop::TaskGroup connections([](std::exception_ptr error) { std::rethrow_exception(error); });
  const loop::DrainNotice notice(loop::currentLoop(), [listener] { listener->wakeReaders(); });
  bool shortage = false;
  while (!loop::currentLoop().draining()) {
    try {
      Stream peer = co_await acceptAt(listener);
      connections.spawn(handle(handler, std::move(peer), onError));
      shortage = false;
      continue;
    } catch (const Error& error) {
      if (loop::currentLoop().draining()) break;
      if (!isShortage(error.systemError())) throw;
      if (!std::exchange(shortage, true)) onError(os::localAddress(listener->fd()), std::current_exception());
    }
    co_await Pause(kShortagePause);
  }
  while (connections.size() > 0) co_await Pause(kLookAgain);
}

}  // namespace

Listener Listener::fromFd(int fd) {
  os::Fd owned(fd);
  os::setNonBlocking(fd);
  return Listener(std::make_shared<Endpoint>(std::move(owned)));
}

Task<Stream> Listener::accept() {
  endpoint();
  return acceptAt(endpoint_);
}

Task<> Listener::serve(Handler handler, ServeSettings settings) {
  endpoint();
  return serveAt(endpoint_, std::move(handler), settings.onError ? std::move(settings.onError) : &writeLine);
}

Listener Listener::elsewhere(std::string address) {
  Listener listener;
  listener.elsewhere_ = std::move(address);
  return listener;
}

std::string Listener::address() const { return elsewhere_.empty() ? os::localAddress(fd()) : elsewhere_; }

unsigned Listener::port() const {
  if (elsewhere_.empty()) return os::localPort(fd());
  if (elsewhere_.starts_with("unix:")) return 0;
  return static_cast<unsigned>(std::stoul(elsewhere_.substr(elsewhere_.rfind(':') + 1)));
}

int Listener::fd() const { return endpoint().fd(); }

Endpoint& Listener::endpoint() const {
  if (!endpoint_)
    throw Error(ErrorKind::invalid, elsewhere_.empty()
                                        ? "this listener is empty: it has been given no socket"
                                        : "this process was not given the listener at " + elsewhere_);
  return *endpoint_;
}

Listener listen(const std::string& address, int backlog) {
  return Listener::fromFd(os::listenAt(address, backlog).release());
}

}  // namespace troupe::net
