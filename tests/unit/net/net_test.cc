#include <gtest/gtest.h>
#include <sys/socket.h>
#include <troupe/error.h>
#include <troupe/net.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/unit/net/net_fixture.h"

namespace troupe::net {
namespace {

using namespace test;

TEST_F(NetTest, EchoOverTcp) {
  Listener listener = listenTcp();
  EXPECT_NE(listener.port(), 0u);
  EXPECT_EQ(listener.address(), "127.0.0.1:" + std::to_string(listener.port()));
  start(listener.serve(echo));
  run(expectEcho(listener.address(), "hello"), expectEcho(listener.address(), ""));
}

TEST_F(NetTest, EchoOverAUnixSocket) {
  Listener listener = listenUnix();
  EXPECT_EQ(listener.port(), 0u);
  start(listener.serve(echo));
  run(expectEcho(listener.address(), "hello"));
}

TEST_F(NetTest, AHandlerWrittenInPlaceServes) {
  Listener listener = listenTcp();
  int connections = 0;
  start(listener.serve([&connections](Stream peer) -> Task<> {
    ++connections;
    std::array<std::byte, 64 * 1024> buffer;
    while (auto bytes = co_await peer.readSome(buffer)) co_await peer.writeAll(bytes);
  }));
  run(expectEcho(listener.address(), "hello"));
  EXPECT_EQ(connections, 1);
}

TEST_F(NetTest, AConnectionKnowsBothAddresses) {
  Listener listener = listenTcp();
  Pair pair;
  run(makePair(listener, pair));
  EXPECT_EQ(pair.client.peerAddress(), listener.address());
  EXPECT_EQ(pair.client.address(), pair.server.peerAddress());
  EXPECT_EQ(pair.server.address(), listener.address());
}

TEST_F(NetTest, AHundredConnectionsAtATimeAreServed) {
  Listener listener = listenTcp();
  start(listener.serve(echo));
  std::vector<Task<>> clients;
  clients.reserve(100);
  for (int i = 0; i < 100; ++i) clients.push_back(expectEcho(listener.address(), std::string(1000 + i, 'x')));
  runAll(std::move(clients));
}

TEST_F(NetTest, AWriterIsSlowedDownByItsReader) {
  constexpr std::size_t kBytes = 8 * 1024 * 1024;
  Listener listener = listenUnix();
  Pair pair;
  run(makePair(listener, pair));
  bool written = false;
  std::size_t readBefore = 0;
  const auto write = [&]() -> Task<> {
    std::string text(kBytes, 'x');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
    co_await pair.client.writeAll(text);
    written = true;
    pair.client.closeWrite();
  };
  const auto read = [&]() -> Task<> {
    std::array<std::byte, 10'000> buffer;
    std::size_t total = 0;
    while (auto bytes = co_await pair.server.readSome(buffer)) {
      if (!written) readBefore = total;
      for (const char one : bytes.text()) {
        if (one != static_cast<char>('a' + total % 23))
          throw std::runtime_error("wrong at " + std::to_string(total));
        ++total;
      }
    }
    EXPECT_EQ(total, kBytes);
  };
  run(write(), read());
  EXPECT_GT(readBefore, 0u) << "the write was not over before the first read";
}

TEST_F(NetTest, APeerThatBreaksOffIsAnErrorThatNamesIt) {
  Listener listener = listenTcp();
  Pair pair;
  run(makePair(listener, pair));
  const std::string peer = pair.server.peerAddress();
  std::optional<Error> failure;
  const auto breakOff = [&]() -> Task<> {
    const linger hard = {1, 0};  // a reset, and not an end
    ::setsockopt(pair.client.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    pair.client = Stream();
    co_return;
  };

  run(failureOf(readOnce(pair.server), failure), breakOff());

  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->kind(), ErrorKind::system);
  EXPECT_EQ(failure->systemError(), ECONNRESET);
  EXPECT_NE(failure->message().find(peer), std::string::npos) << failure->message();
}

TEST_F(NetTest, WritingToAPeerThatHasGoneIsAnError) {
  Listener listener = listenUnix();
  Pair pair;
  run(makePair(listener, pair));
  pair.server = Stream();
  std::optional<Error> failure;
  run(failureOf(pair.client.writeAll("hello"), failure));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->systemError(), EPIPE);
}

TEST_F(NetTest, ConnectingWhereNobodyListensIsAnErrorThatNamesTheAddress) {
  std::string address;
  {
    const Listener gone = listenTcp();
    address = gone.address();
  }
  std::optional<Error> failure;
  const auto attempt = [&]() -> Task<> { co_await connect(address); };
  run(failureOf(attempt(), failure));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->systemError(), ECONNREFUSED);
  EXPECT_NE(failure->message().find(address), std::string::npos) << failure->message();
}

TEST_F(NetTest, ANameIsTriedAtAllItsAddresses) {
  Listener listener = listenTcp();
  start(listener.serve(echo));
  run(expectEcho("localhost:" + std::to_string(listener.port()),
                 "over IPv4, also where IPv6 is tried first"));
}

TEST_F(NetTest, AUnixSocketWithAFullBacklogIsWaitedFor) {
  unixPath = "/tmp/troupe-net-" + std::to_string(::getpid());
  Listener listener = listen("unix:" + unixPath, 0);
  std::vector<Stream> clients;
  const auto connectMany = [&]() -> Task<> {
    for (int i = 0; i < 5; ++i) clients.push_back(co_await connect(listener.address()));
  };
  std::vector<Stream> accepted;
  const auto acceptMany = [&]() -> Task<> {
    for (int i = 0; i < 5; ++i) accepted.push_back(co_await listener.accept());
  };
  run(connectMany(), acceptMany());
  EXPECT_EQ(accepted.size(), 5u);
}

TEST_F(NetTest, AnExceptionEndsOnlyItsConnectionAndIsReported) {
  Listener listener = listenTcp();
  std::vector<std::string> reports;
  const auto crashOrEcho = [](Stream peer) -> Task<> {
    std::array<std::byte, 100> buffer;
    const auto bytes = co_await peer.readSome(buffer);
    if (bytes.text() == "crash") throw std::runtime_error("crashed as told");
    co_await peer.writeAll(bytes);
  };
  start(listener.serve(crashOrEcho, {.onError = [&](const std::string& address, std::exception_ptr error) {
                         EXPECT_TRUE(address.starts_with("127.0.0.1:"));
                         try {
                           std::rethrow_exception(error);
                         } catch (const std::exception& exception) {
                           reports.push_back(exception.what());
                         }
                       }}));
  std::string answer = "?";
  const auto crash = [&]() -> Task<> { answer = co_await ask(listener.address(), "crash"); };

  run(crash());
  run(expectEcho(listener.address(), "still here"));

  EXPECT_EQ(answer, "");
  EXPECT_EQ(reports, std::vector<std::string>{"crashed as told"});
}

TEST_F(NetTest, CancellingTheServerCancelsItsConnections) {
  Listener listener = listenTcp();
  auto server =
      std::make_unique<loop::TaskGroup>([](std::exception_ptr error) { std::rethrow_exception(error); });
  server->spawn(listener.serve(echo));
  std::string rest = "?";
  const auto client = [&]() -> Task<> {
    Stream stream = co_await connect(listener.address());
    co_await stream.writeAll("x");
    co_await readOnce(stream);
    loop.post([&] { server.reset(); });
    rest = co_await readToEnd(stream);
  };
  run(client());
  EXPECT_EQ(rest, "") << "the end: the connection was closed";
}

TEST_F(NetTest, ACancelledReadTakesNothing) {
  Listener listener = listenTcp();
  Pair pair;
  run(makePair(listener, pair));
  {
    loop::TaskGroup shortLived([](std::exception_ptr) {});
    shortLived.spawn(readOnce(pair.server));
  }
  std::string answer;
  const auto read = [&]() -> Task<> { answer = co_await readToEnd(pair.server); };
  const auto write = [&]() -> Task<> {
    co_await pair.client.writeAll("all of it");
    pair.client.closeWrite();
  };
  run(read(), write());
  EXPECT_EQ(answer, "all of it");
}

TEST_F(NetTest, OneThatAlwaysHasMoreToReadDoesNotStarveTheRest) {
  Listener listener = listenTcp();
  Pair pair;
  run(makePair(listener, pair));
  bool posted = false;
  long readsBefore = 0;
  const auto readAll = [&]() -> Task<> {
    co_await pair.client.writeAll(std::string(4000, 'x'));
    std::array<std::byte, 1> one;
    for (int i = 0; i < 4000; ++i) {
      co_await pair.server.readSome(one);
      if (i == 0) loop.post([&] { posted = true; });
      if (!posted) ++readsBefore;
    }
  };
  run(readAll());
  EXPECT_LT(readsBefore, 200);
}

TEST_F(NetTest, APeerThatAnswersAtOnceIsNotReadAgainBeforeOthersThatAreReady) {
  Listener listener = listenTcp();
  Pair quick;
  Pair other;
  run(makePair(listener, quick));
  run(makePair(listener, other));
  std::string order;
  const auto readOther = [&]() -> Task<> {
    co_await readOnce(other.server);
    order += "other ";
  };
  const auto readQuick = [&]() -> Task<> {
    co_await other.client.writeAll("ready");
    for (int i = 0; i < 2; ++i) {
      co_await quick.client.writeAll("there before it is asked for");
      co_await readOnce(quick.server);
      co_await readOnce(quick.server);
      order += "quick ";
    }
  };
  run(readOther(), readQuick());
  EXPECT_EQ(order, "quick other quick ");
}

TEST_F(NetTest, WhatComesOrEndsAfterAShortReadIsSeen) {
  for (const bool local : {false, true}) {
    Pair pair;
    run(makePair(local ? listenUnix() : listenTcp(), pair));
    std::string read;
    const std::vector<std::string> parts = {"one ", "two ", "three"};
    const auto talk = [&]() -> Task<> {
      for (const std::string& part : parts) {
        std::array<std::byte, 64> buffer;
        co_await pair.client.writeAll(part);
        const auto bytes = co_await pair.server.readSome(buffer);
        read += bytes.text();
      }
      pair.client.closeWrite();
      read += co_await readToEnd(pair.server) + ", and the end";
    };
    run(talk());
    EXPECT_EQ(read, "one two three, and the end");
  }
}

TEST_F(NetTest, TwoReadersOfOneStreamAreRefused) {
  Listener listener = listenTcp();
  Pair pair;
  run(makePair(listener, pair));
  start(readOnce(pair.server));
  std::optional<Error> failure;
  run(failureOf(readOnce(pair.server), failure));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->kind(), ErrorKind::invalid);
  EXPECT_THROW(pair.server.releaseFd(), Error) << "nor can it be given away meanwhile";
  run(pair.server.writeAll("writing at the same time is fine"));
}

TEST_F(NetTest, AnEmptyStreamSaysSo) {
  Stream empty;
  EXPECT_FALSE(empty);
  EXPECT_THROW(empty.releaseFd(), Error);
  std::optional<Error> failure;
  run(failureOf(readOnce(empty), failure));
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->kind(), ErrorKind::invalid);
}

}  // namespace
}  // namespace troupe::net
