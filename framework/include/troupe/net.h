// TCP and Unix-socket streams for actors, as coroutines.
//
//     auto peer = co_await troupe::net::connect("127.0.0.1:9696");
//     co_await peer.writeAll("hello\n");
//     while (auto bytes = co_await peer.readSome(buffer)) use(bytes);
//
// Addresses: "host:port" ("127.0.0.1:9696", "[::1]:9696", "localhost:0", ":9696" for all interfaces) or
//            "unix:/path". A host name is looked up where it is used, and the process waits for the answer.
// Ownership: a Listener is a value: copies share one descriptor, also in the processes forked meanwhile, and
//            each connection goes to one of those that accept. A Stream is its connection: it is closed when
//            it goes.
// Errors:    system, naming the peer or the address; invalid, for an address or a use that makes no sense.
// Fairness:  whoever never has to wait, since there is always more to read, say, gives way to the rest of the
//            process now and then. So each function here is a place where other coroutines of the actor may
//            run.
// Threads:   the event loop of the process.
#pragma once

#include <troupe/task.h>

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace troupe::net {

class Endpoint;

// What was read: a part of the buffer that was given. False where the peer has ended the stream.
class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(std::span<const std::byte> bytes) : bytes_(bytes) {}

  explicit operator bool() const { return !bytes_.empty(); }
  operator std::span<const std::byte>() const { return bytes_; }
  const std::byte* data() const { return bytes_.data(); }
  std::size_t size() const { return bytes_.size(); }
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }

 private:
  std::span<const std::byte> bytes_;
};

// One connection. Reading and writing may go on at the same time, in two coroutines; two that read, or two
// that write, at the same time are an `invalid` error. A task given out here stays good when its Stream is
// moved.
class Stream {
 public:
  Stream() = default;
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&&) noexcept = default;

  // Takes over a connected socket, one that has come from another process, say; it becomes non-blocking.
  static Stream fromFd(int fd);
  // Takes the socket out, to be given to another process; the stream is empty then. Errors: invalid, while
  // something waits.
  int releaseFd();

  // Waits until there is something to read, and reads what there is and fits, at least one byte. Nothing at
  // the end.
  // Errors: system, with ECONNRESET where the peer has broken off.
  Task<Bytes> readSome(std::span<std::byte> buffer);

  // Returns once the system has taken all of it, which says nothing of the peer. What it is given must stay
  // in place until then. Errors: system, with EPIPE or ECONNRESET where the peer has gone; a part may have
  // been sent.
  Task<> writeAll(std::span<const std::byte> bytes);
  Task<> writeAll(std::string_view text);

  // Tells the peer that nothing more will come; reading goes on.
  void closeWrite();

  std::string address() const;
  std::string peerAddress() const;
  int fd() const;
  explicit operator bool() const { return endpoint_ != nullptr; }

 private:
  explicit Stream(std::shared_ptr<Endpoint> endpoint) : endpoint_(std::move(endpoint)) {}
  Endpoint& endpoint() const;

  std::shared_ptr<Endpoint> endpoint_;
};

// Errors: system, with the cause of the last attempt where a name has several addresses.
Task<Stream> connect(std::string address);

struct ServeSettings {
  // Told of each exception that leaves a connection's coroutine, with the peer's address; and, once for each
  // time, that no connection can be accepted for want of descriptors or memory, with the listener's. By
  // default, a line on standard error.
  std::function<void(const std::string& address, std::exception_ptr error)> onError = {};
};

// Where connections are accepted. Several processes may accept at one Listener at the same time.
class Listener {
 public:
  using Handler = std::function<Task<>(Stream)>;

  Listener() = default;
  // Takes over a listening socket; it becomes non-blocking.
  static Listener fromFd(int fd);
  // One that another process of the app has: it knows its address, and can't accept.
  static Listener elsewhere(std::string address);

  // The next connection. Errors: system, with EMFILE or ENFILE where descriptors have run out: the connection
  // goes on waiting.
  Task<Stream> accept();

  // Accepts for ever, and runs the handler as a coroutine for each connection. An exception that leaves one
  // ends only that connection. Where descriptors or memory run out, no more is accepted until there are some
  // again. In a process that has handed over to a newer one (SupervisorRef::upgrade), returns when the connections
  // that there are have ended. Cancelling the task (destroying it) cancels all connections; it must not be done from one of them.
  // Errors: system, where the socket itself fails.
  Task<> serve(Handler handler, ServeSettings settings = {});

  std::string address() const;
  // 0 for a Unix socket.
  unsigned port() const;
  int fd() const;
  explicit operator bool() const { return endpoint_ != nullptr; }

 private:
  explicit Listener(std::shared_ptr<Endpoint> endpoint) : endpoint_(std::move(endpoint)) {}
  Endpoint& endpoint() const;

  std::shared_ptr<Endpoint> endpoint_;
  std::string elsewhere_;
};

// Binds and listens. A Unix socket's file that nobody answers on is replaced. Up to `backlog` connections
// (the system has a limit of its own, net.core.somaxconn) wait to be accepted, also while no process accepts.
// Errors: system, where the address is in use, say; invalid.
Listener listen(const std::string& address, int backlog = 4096);

}  // namespace troupe::net
