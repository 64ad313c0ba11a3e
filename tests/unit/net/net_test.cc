#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <troupe/error.h>
#include <troupe/net.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "loop/loop.h"
#include "loop/task_group.h"
#include "os/channel.h"
#include "os/output.h"
#include "os/process.h"
#include "tests/unit/os/children.h"

namespace troupe::net {
namespace {

using namespace std::chrono_literals;

class NetTest : public testing::Test {
 protected:
  ~NetTest() override {
    group.reset();
    if (!unixPath.empty()) ::unlink(unixPath.c_str());
  }

  // Runs the tasks together until all have ended, and throws what the first that failed has thrown.
  void runAll(std::vector<Task<>> tasks) {
    std::size_t left = tasks.size();
    for (Task<>& task : tasks)
      group->spawn(std::move(task), [&] {
        if (--left == 0) loop.stop();
      });
    if (left > 0) loop.run();
  }
  template <class... Tasks>
  void run(Tasks... tasks) {
    std::vector<Task<>> all;
    (all.push_back(std::move(tasks)), ...);
    runAll(std::move(all));
  }
  // In the background, until the test ends.
  void start(Task<> task) { group->spawn(std::move(task)); }

  Listener listenTcp() { return listen("127.0.0.1:0"); }
  Listener listenUnix() {
    unixPath = "/tmp/troupe-net-" + std::to_string(::getpid());
    return listen("unix:" + unixPath);
  }

  loop::Loop loop;
  loop::CurrentLoop current{loop};
  std::unique_ptr<loop::TaskGroup> group =
      std::make_unique<loop::TaskGroup>([](std::exception_ptr error) { std::rethrow_exception(error); });
  std::string unixPath;
};

Task<> echo(Stream peer) {
  std::array<std::byte, 64 * 1024> buffer;
  while (auto bytes = co_await peer.readSome(buffer)) co_await peer.writeAll(bytes);
}

Task<std::string> readToEnd(Stream& stream) {
  std::array<std::byte, 4096> buffer;
  std::string result;
  while (auto bytes = co_await stream.readSome(buffer)) result += bytes.text();
  co_return result;
}

Task<std::string> ask(std::string address, std::string question) {
  Stream stream = co_await connect(address);
  co_await stream.writeAll(question);
  stream.closeWrite();
  co_return co_await readToEnd(stream);
}

Task<> expectEcho(std::string address, std::string text) {
  const std::string answer = co_await ask(address, text);
  EXPECT_EQ(answer, text);
}

// What it fails with; nothing where it does not.
Task<> failureOf(Task<> task, std::optional<Error>& failure) {
  try {
    co_await task;
  } catch (const Error& error) {
    failure = error;
  }
}

Task<> readOnce(Stream& stream) {
  std::array<std::byte, 16> buffer;
  co_await stream.readSome(buffer);
}

struct Pair {
  Stream client;
  Stream server;
};

Task<> makePair(Listener listener, Pair& pair) {
  pair.client = co_await connect(listener.address());
  pair.server = co_await listener.accept();
}

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

TEST_F(NetTest, AServerOutOfDescriptorsGoesOnWhenTheyComeBack) {
  os::OutputPipe told = os::makeOutputPipe();
  os::test::Child child([&] {
    loop.abandon();
    loop::Loop own;
    loop::CurrentLoop mine(own);
    Listener listener = listenTcp();
    const std::string address = listener.address();
    std::vector<os::Fd> clients;
    for (int i = 0; i < 5; ++i) {
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in to = {.sin_family = AF_INET,
                        .sin_port = htons(static_cast<std::uint16_t>(listener.port())),
                        .sin_addr = {htonl(INADDR_LOOPBACK)},
                        .sin_zero = {}};
      if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) return 1;
      clients.emplace_back(fd);
    }
    int shortages = 0;
    int served = 0;
    loop::TaskGroup server([](std::exception_ptr error) { std::rethrow_exception(error); });
    const auto count = [&](Stream peer) -> Task<> {
      if (++served == 5) own.stop();
      co_await readOnce(peer);  // the end, when the client goes
    };
    const int next = ::dup(told.writer.get());
    ::close(next);
    rlimit limit = {};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = static_cast<rlim_t>(next) + 2;  // room for two
    ::setrlimit(RLIMIT_NOFILE, &limit);

    server.spawn(listener.serve(count, {.onError = [&](const std::string& where, std::exception_ptr error) {
                                  try {
                                    std::rethrow_exception(error);
                                  } catch (const Error& shortage) {
                                    if (where == address && shortage.systemError() == EMFILE) ++shortages;
                                  }
                                  clients.erase(clients.begin(),
                                                clients.begin() + 3);  // lower numbers: room for all
                                }}));
    own.run();
    return served == 5 && shortages == 1 ? 0 : 2;
  });
  EXPECT_EQ(child.exitCode(), 0);
}

// --- Several processes -----------------------------------------------------------------------------------------------

// A process made as supervisors make them, with a loop of its own, that runs what `body` gives until it ends.
pid_t forkWith(loop::Loop& parents, std::vector<int> keep, const std::function<Task<>()>& body) {
  const os::ChildSettings settings{.parent = os::processId(), .keep = std::move(keep)};
  const pid_t child = os::forkProcess();
  if (child != 0) return child;
  parents.abandon();
  os::settleChild(settings);
  {
    loop::Loop own;
    loop::CurrentLoop mine(own);
    loop::TaskGroup tasks([](std::exception_ptr) { os::endProcess(1); });
    tasks.spawn(body(), [&] { own.stop(); });
    own.run();
  }
  os::endProcess(0);
}

TEST_F(NetTest, ProcessesForkedFromTheListenersShareItsConnections) {
  Listener listener = listenTcp();
  start(listener.serve(echo));  // the parent has waited on it, with its own loop
  run(expectEcho(listener.address(), "parent"));
  group.reset();
  const auto answerWithPid = [](Stream peer) -> Task<> {
    std::array<std::byte, 16> buffer;
    co_await peer.readSome(buffer);
    co_await peer.writeAll(std::to_string(::getpid()));
  };
  std::vector<pid_t> workers;
  for (int i = 0; i < 3; ++i)
    workers.push_back(forkWith(loop, {listener.fd()}, [&] { return listener.serve(answerWithPid); }));
  group = std::make_unique<loop::TaskGroup>([](std::exception_ptr error) { std::rethrow_exception(error); });
  int answered = 0;
  const auto client = [&]() -> Task<> {
    const std::string answer = co_await ask(listener.address(), "who?");
    for (const pid_t worker : workers) answered += answer == std::to_string(worker);
  };
  std::vector<Task<>> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(client());
  runAll(std::move(clients));
  EXPECT_EQ(answered, 50);

  // While a worker is dead, the others accept.
  ::kill(workers[0], SIGKILL);
  ::waitpid(workers[0], nullptr, 0);
  run(client(), client(), client());
  EXPECT_EQ(answered, 53);

  for (const pid_t worker : {workers[1], workers[2]}) {
    ::kill(worker, SIGKILL);
    ::waitpid(worker, nullptr, 0);
  }
}

TEST_F(NetTest, AnAcceptedConnectionMovesIntoAnotherProcess) {
  Listener listener = listenTcp();
  auto [here, there] = os::makeChannel();
  const int channel = there.get();
  const pid_t worker = forkWith(loop, {channel}, [channel]() -> Task<> {
    os::test::becomesReadable(channel);
    os::ChannelMessage message;
    if (os::receiveFrom(channel, message) != os::ChannelState::done) throw std::runtime_error("nothing came");
    return echo(Stream::fromFd(message.descriptors.at(0).release()));
  });
  const auto moveOne = [&]() -> Task<> {
    Stream peer = co_await listener.accept();
    std::array<std::byte, 5> first;
    co_await peer.readSome(first);  // used here before: it has been waited for
    co_await peer.writeAll("here ");
    const os::Fd taken(peer.releaseFd());
    EXPECT_FALSE(peer);
    const std::byte note{1};
    const int descriptor = taken.get();
    EXPECT_EQ(os::sendOn(here.get(), {&note, 1}, {&descriptor, 1}), os::ChannelState::done);
  };
  std::string answer;
  const auto client = [&]() -> Task<> {
    Stream stream = co_await connect(listener.address());
    co_await stream.writeAll("first");
    std::array<std::byte, 5> buffer;
    answer += (co_await stream.readSome(buffer)).text();
    co_await stream.writeAll("and there");
    stream.closeWrite();
    answer += co_await readToEnd(stream);
  };
  run(client(), moveOne());
  EXPECT_EQ(answer, "here and there");
  int status = -1;
  ::waitpid(worker, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace troupe::net
