// What the tests of streams and listeners share: tasks that run together on one event loop.
#pragma once

#include <gtest/gtest.h>
#include <troupe/error.h>
#include <troupe/net.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loop/loop.h"
#include "loop/task_group.h"

namespace troupe::net::test {

class NetTest : public testing::Test {
 protected:
  ~NetTest() override {
    group.reset();
    if (!unixPath.empty()) ::unlink(unixPath.c_str());
  }

  // Runs the tasks together until all have ended, and throws what the first that failed has thrown.
  void runAll(std::vector<Task<>> tasks) {
    std::size_t left = tasks.size();
    bool running = false;
    for (Task<>& task : tasks)
      group->spawn(std::move(task), [&] {
        if (--left == 0 && running) loop.stop();
      });
    running = left > 0;
    if (running) loop.run();
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

inline Task<> echo(Stream peer) {
  std::array<std::byte, 64 * 1024> buffer;
  while (auto bytes = co_await peer.readSome(buffer)) co_await peer.writeAll(bytes);
}

inline Task<std::string> readToEnd(Stream& stream) {
  std::array<std::byte, 4096> buffer;
  std::string result;
  while (auto bytes = co_await stream.readSome(buffer)) result += bytes.text();
  co_return result;
}

inline Task<std::string> ask(std::string address, std::string question) {
  Stream stream = co_await connect(address);
  co_await stream.writeAll(question);
  stream.closeWrite();
  co_return co_await readToEnd(stream);
}

inline Task<> expectEcho(std::string address, std::string text) {
  const std::string answer = co_await ask(address, text);
  EXPECT_EQ(answer, text);
}

// What it fails with; nothing where it does not.
inline Task<> failureOf(Task<> task, std::optional<Error>& failure) {
  try {
    co_await task;
  } catch (const Error& error) {
    failure = error;
  }
}

inline Task<> readOnce(Stream& stream) {
  std::array<std::byte, 16> buffer;
  co_await stream.readSome(buffer);
}

struct Pair {
  Stream client;
  Stream server;
};

inline Task<> makePair(Listener listener, Pair& pair) {
  pair.client = co_await connect(listener.address());
  pair.server = co_await listener.accept();
}

}  // namespace troupe::net::test
