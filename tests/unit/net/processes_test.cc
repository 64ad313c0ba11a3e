// Connections that several processes share, or hand to each other; and what a process does that has no
// descriptors left.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <troupe/error.h>
#include <troupe/net.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "os/channel.h"
#include "os/output.h"
#include "os/process.h"
#include "tests/unit/net/net_fixture.h"
#include "tests/unit/os/children.h"

namespace troupe::net {
namespace {

using namespace test;

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

// --- Several processes
// -----------------------------------------------------------------------------------------------

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
  workers.reserve(3);
  for (int i = 0; i < 3; ++i)
    workers.push_back(forkWith(loop, {listener.fd()}, [&] { return listener.serve(answerWithPid); }));
  group = std::make_unique<loop::TaskGroup>([](std::exception_ptr error) { std::rethrow_exception(error); });
  int answered = 0;
  const auto client = [&]() -> Task<> {
    const std::string answer = co_await ask(listener.address(), "who?");
    for (const pid_t worker : workers) answered += answer == std::to_string(worker);
  };
  std::vector<Task<>> clients;
  clients.reserve(50);
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
