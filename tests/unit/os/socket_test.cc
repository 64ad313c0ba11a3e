#include "os/socket.h"

#include <gtest/gtest.h>
#include <troupe/error.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/unit/os/children.h"

namespace troupe::os {
namespace {

// An empty folder of its own, gone with it.
class Folder {
 public:
  Folder() : path_(::mkdtemp(name_)) {}
  ~Folder() {
    ::unlink((path_ + "/socket").c_str());
    ::rmdir(path_.c_str());
  }
  std::string socket() const { return path_ + "/socket"; }

 private:
  char name_[32] = "/tmp/troupe-socket-XXXXXX";
  std::string path_;
};

ErrorKind kindOf(const std::string& address, Fd (*make)(const std::string&)) {
  try {
    make(address);
  } catch (const Error& error) {
    EXPECT_NE(error.message().find(address), std::string::npos) << "names the address: " << error.message();
    return error.kind();
  }
  ADD_FAILURE() << address << " was accepted";
  return {};
}

Fd listenQuietly(const std::string& address) { return listenAt(address, 16); }

struct Connection {
  Fd client;
  Fd server;
};

Connection connectTo(const Fd& listener, const std::string& address) {
  Connection result{startConnect(address), Fd()};
  EXPECT_TRUE(test::becomesReadable(listener.get()));
  EXPECT_EQ(acceptFrom(listener.get(), result.server).state, SocketState::done);
  EXPECT_EQ(connectError(result.client.get()), 0);
  return result;
}

void expectEcho(const Connection& connection) {
  std::array<std::byte, 16> room;
  EXPECT_EQ(readSocket(connection.server.get(), room).state, SocketState::wouldBlock);
  EXPECT_EQ(writeSocket(connection.client.get(), std::as_bytes(std::span("hello", 5))).bytes, 5u);
  ASSERT_TRUE(test::becomesReadable(connection.server.get()));
  EXPECT_EQ(readSocket(connection.server.get(), room).bytes, 5u);
  shutdownWrite(connection.client.get());
  ASSERT_TRUE(test::becomesReadable(connection.server.get()));
  EXPECT_EQ(readSocket(connection.server.get(), room).state, SocketState::closed);
}

TEST(Socket, TcpConnectsAtAPortThatTheSystemChose) {
  const Fd listener = listenAt("127.0.0.1:0", 16);
  ASSERT_NE(localPort(listener.get()), 0u);
  const std::string address = "127.0.0.1:" + std::to_string(localPort(listener.get()));
  EXPECT_EQ(localAddress(listener.get()), address);

  const Connection connection = connectTo(listener, address);

  EXPECT_EQ(peerAddress(connection.client.get()), address);
  EXPECT_EQ(peerAddress(connection.server.get()), localAddress(connection.client.get()));
  expectEcho(connection);
}

TEST(Socket, AllInterfacesAreServedByOneSocket) {
  const Fd listener = listenAt(":0", 16);
  const std::string address = "127.0.0.1:" + std::to_string(localPort(listener.get()));
  const Connection connection = connectTo(listener, address);
  EXPECT_TRUE(peerAddress(connection.server.get()).starts_with("127.0.0.1:")) << "also where IPv6 carries it";
  expectEcho(connection);
}

TEST(Socket, NamesAreLookedUp) {
  const Fd listener = listenAt("localhost:0", 16);
  expectEcho(connectTo(listener, "localhost:" + std::to_string(localPort(listener.get()))));
  EXPECT_FALSE(resolveAddress("localhost:80").empty());
  EXPECT_EQ(resolveAddress("127.0.0.1:80"), std::vector<std::string>{"127.0.0.1:80"});
  EXPECT_EQ(resolveAddress("[::1]:80"), std::vector<std::string>{"[::1]:80"});
}

TEST(Socket, UnixSocketsWork) {
  const Folder folder;
  const std::string address = "unix:" + folder.socket();
  const Fd listener = listenAt(address, 16);
  EXPECT_EQ(localAddress(listener.get()), address);
  EXPECT_EQ(localPort(listener.get()), 0u);

  const Connection connection = connectTo(listener, address);

  EXPECT_EQ(peerAddress(connection.client.get()), address);
  EXPECT_EQ(peerAddress(connection.server.get()), "unix:");
  expectEcho(connection);
}

TEST(Socket, ASocketFileIsReplacedOnlyWhereNobodyAnswersOnIt) {
  const Folder folder;
  const std::string address = "unix:" + folder.socket();
  Fd first = listenAt(address, 16);
  EXPECT_EQ(kindOf(address, listenQuietly), ErrorKind::system) << "in use";
  first.reset();
  EXPECT_NO_THROW(first = listenAt(address, 16)) << "left behind";
  first.reset();
  ::unlink(folder.socket().c_str());
  std::ofstream(folder.socket()) << "precious";
  EXPECT_EQ(kindOf(address, listenQuietly), ErrorKind::system) << "a plain file";
  EXPECT_EQ(::access(folder.socket().c_str(), F_OK), 0);
}

TEST(Socket, AddressesThatMakeNoSenseAreInvalid) {
  for (const std::string address :
       {"", "nowhere", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "::1:80", "[::1:80",
        "[]:80", "no such host.invalid:80", "unix:"})
    EXPECT_EQ(kindOf(address, listenQuietly), ErrorKind::invalid) << address;
  EXPECT_EQ(kindOf("unix:/" + std::string(200, 'x'), startConnect), ErrorKind::invalid);
}

TEST(Socket, APortInUseAndAPortWhereNobodyListensAreSystemErrors) {
  Fd listener = listenAt("127.0.0.1:0", 16);
  const std::string address = localAddress(listener.get());
  EXPECT_EQ(kindOf(address, listenQuietly), ErrorKind::system);
  listener.reset();
  try {
    const Fd refused = startConnect(address);
    pollfd one = {refused.get(), POLLOUT, 0};
    ASSERT_EQ(::poll(&one, 1, test::kDeadlineMilliseconds), 1);
    EXPECT_EQ(connectError(refused.get()), ECONNREFUSED);
  } catch (const Error& error) {
    EXPECT_EQ(error.systemError(), ECONNREFUSED) << "the loopback interface may know at once";
  }
}

TEST(Socket, WritingToAPeerThatHasGoneFailsWithoutASignal) {
  const Fd listener = listenAt("127.0.0.1:0", 16);
  Connection connection = connectTo(listener, localAddress(listener.get()));
  connection.server.reset();
  ASSERT_TRUE(test::becomesReadable(connection.client.get()));

  SocketResult last = {};
  for (int i = 0; i < 1000 && last.state == SocketState::done; ++i)
    last = writeSocket(connection.client.get(), std::as_bytes(std::span("hello", 5)));

  EXPECT_EQ(last.state, SocketState::failed);
  EXPECT_TRUE(last.error == EPIPE || last.error == ECONNRESET) << last.error;
}

TEST(Socket, NothingToAcceptIsNoError) {
  const Fd listener = listenAt("127.0.0.1:0", 16);
  Fd accepted;
  EXPECT_EQ(acceptFrom(listener.get(), accepted).state, SocketState::wouldBlock);
  EXPECT_FALSE(accepted.valid());
}

}  // namespace
}  // namespace troupe::os
