// OTP's cases about the arguments of children, with processes: a supervisor must not hold on to what a child that will not come
// back was given. Here that is seen from outside: a socket stays open as long as any process has it.
#include <array>
#include <csignal>

#include "tests/conformance/otp.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

// Has a connection, and writes to it what it is told.
class Holder final : public QuietPuppet<Holder> {
 public:
  Holder(std::string greeting, troupe::net::Stream peer)
      : greeting_(std::move(greeting)), peer_(std::move(peer)) {}

  Task<> init() { co_await peer_.writeAll(greeting_ + "\n"); }
  // Closes the connection, and lives on.
  void note(NoteParams) { peer_ = {}; }

 private:
  std::string greeting_;
  troupe::net::Stream peer_;
};

// Two ends of a connection.
struct Connection {
  troupe::net::Stream near;
  troupe::net::Stream far;
};

Task<Connection> connection() {
  auto listener = troupe::net::listen("127.0.0.1:0");
  Connection made;
  made.near = co_await troupe::net::connect(listener.address());
  made.far = co_await listener.accept();
  co_return std::move(made);
}

// What comes until the end, a broken one too.
Task<std::string> readToEnd(troupe::net::Stream& stream) {
  std::string text;
  std::array<std::byte, 256> buffer;
  try {
    while (auto bytes = co_await stream.readSome(buffer)) text += bytes.text();
  } catch (const troupe::Error&) {}
  co_return text;
}

Task<std::string> readLine(troupe::net::Stream& stream) {
  std::string line;
  std::array<std::byte, 1> buffer;
  while (auto bytes = co_await stream.readSome(buffer)) {
    if (bytes.text() == "\n") break;
    line += bytes.text();
  }
  co_return line;
}

}  // namespace

class Arguments : public OtpSupervisor {};

TEST_F(Arguments, do_not_save_start_parameters_for_temporary_children) {
  run(
      {}, [](Group&) {},
      [](Self& self, SupervisorRef s) -> Task<> {
        for (int round = 0; round < 3; ++round) {
          Connection pair = co_await connection();
          const auto started = co_await s.startChild<Holder>("a", {.restart = Restart::temporary}, "hello",
                                                             std::move(pair.far));
          EXPECT_EQ(co_await readLine(pair.near), "hello");
          auto holder = started.ref<Puppet>();
          if (round == 0) co_await holder.die("kill");
          if (round == 1) co_await holder.note("close");
          if (round == 2) co_await s.stop("a");
          EXPECT_EQ(co_await readToEnd(pair.near), "")
              << "nobody else has it: not the supervisor, not the one who started it";
          if (round == 1) co_await s.stop("a");
          co_await becomesOrder(self, s, "");
        }
      });
}

TEST_F(Arguments, simple_one_for_one_corruption) {
  run(
      {.maxRestarts = 100},
      [](Group& s) { s.each<Holder>("t", {.restart = Restart::temporary}, std::string("hi")); },
      [](Self&, SupervisorRef s) -> Task<> {
        std::vector<Connection> open;
        for (int i = 0; i < 5; ++i) {
          open.push_back(co_await connection());
          co_await s.start("t", std::move(open.back().far));
        }
        for (auto& each : open) EXPECT_EQ(co_await readLine(each.near), "hi");
        const auto pids = co_await pidsOf(s);
        kill(pids.at("t:3"), SIGKILL);
        EXPECT_EQ(co_await readToEnd(open[2].near), "");
        // Siblings that were forked later have no copy either: each ends alone.
        kill(pids.at("t:1"), SIGKILL);
        EXPECT_EQ(co_await readToEnd(open[0].near), "");
        kill(pids.at("t:5"), SIGKILL);
        EXPECT_EQ(co_await readToEnd(open[4].near), "");
      });
}

TEST_F(Arguments, of_a_permanent_child_are_kept_until_it_is_removed) {
  run(
      {.maxRestarts = 5}, [](Group&) {},
      [](Self& self, SupervisorRef s) -> Task<> {
        Connection pair = co_await connection();
        const auto started = co_await s.startChild<Holder>("a", {}, "hello", std::move(pair.far));
        EXPECT_EQ(co_await readLine(pair.near), "hello");
        kill(started.pid, SIGKILL);
        EXPECT_EQ(co_await readLine(pair.near), "hello") << "its next process has the same connection";
        co_await becomesRunning(self, s, "a", started.pid);
        co_await s.stop("a");
        co_await s.remove("a");
        EXPECT_EQ(co_await readToEnd(pair.near), "");
      });
}

TEST_F(Arguments, of_a_start_that_fails_are_dropped) {
  run(
      {}, [](Group& s) { s.each<PuppetActor>("t", {}, Script{}); },
      [](Self&, SupervisorRef s) -> Task<> {
        Connection pair = co_await connection();
        const Error wrong = co_await errorOf(s.start("t", std::move(pair.far)));
        EXPECT_EQ(wrong.kind(), ErrorKind::crashed);
        EXPECT_EQ(co_await readToEnd(pair.near), "");
        Connection other = co_await connection();
        const Error none = co_await errorOf(s.start("u", std::move(other.far)));
        EXPECT_EQ(none.kind(), ErrorKind::gone);
        EXPECT_EQ(co_await readToEnd(other.near), "");
      });
}

}  // namespace tests
