// What is left of an upgrade that fails: the actor goes on as it was, and nobody else is harmed.
//
// The newer programs are copies of this one under other names: its main looks at the name of its file.
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "os/channel.h"
#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"
#include "tests/support/scratch.h"
#include "tests/support/stations.h"
#include "wire/control_message.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::SupervisorRef;
namespace wire = troupe::wire;

Board& board() { return Board::shared(); }
SupervisorRef group() { return SupervisorRef("/group"); }

// A newer program has a board of its own, so it leaves word in a file.
std::string wordOf(const std::string& program) { return program + ".waiting"; }

class Child : public QuietPuppet<Child> {
 public:
  Task<> init() {
    if (imageName() == "throws") throw std::runtime_error("a newer failure");
    if (imageName() != "waits") co_return;
    std::ofstream(wordOf(std::filesystem::read_symlink("/proc/self/exe"))) << "waiting";
    co_await sleepFor(24h);
  }
  void echo(EchoParams, EchoResults out) { out.setText(imageName()); }
  // Opens no more than one descriptor from here on: too few for what it gets back.
  void note(NoteParams) {
    const troupe::os::Fd one(::dup(0));
    const auto most = static_cast<rlim_t>(one.get()) + 1;
    const rlimit limit = {.rlim_cur = most, .rlim_max = most};
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
};

// Notes the ends of /group/other.
class Watcher final : public Child {
 public:
  Task<> run() {
    const auto other = co_await self().find<Puppet>("/group/other");
    auto monitor = self().monitor(other);
    board().note("watching");
    for (;;) {
      const troupe::Down down = co_await monitor.next();
      board().note(down.final ? "gone" : "ended");
    }
  }
};

void tree(troupe::App& app) {
  app.supervisor("group", {.maxRestarts = 100})
      .child<Child>("child", {.readyWithin = std::chrono::seconds(5)})
      .child<Child>("other")
      .child<Watcher>("watcher");
}

Task<> upgradeAndNote(std::string id, std::string image) {
  board().note((co_await errorOf(group().upgrade(id, image))).what());
  board().note("failed");
}

Task<std::uint32_t> pidOf(troupe::Ref<Puppet> puppet) { co_return (co_await puppet.who())->getPid(); }

class FailedUpgrade : public AppTest {
 protected:
  // A copy of this program under another name.
  std::string copy(const std::string& name) const {
    const std::string file = folder_ / name;
    std::filesystem::copy_file("/proc/self/exe", file);
    return file;
  }

 private:
  Scratch folder_;
};

// Says that it is ready before it has got anything.
void sayReady() {
  wire::ControlMessage message;
  message->initReady();
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    int type = 0;
    socklen_t size = sizeof type;
    const int fd = std::stoi(entry.path().filename());
    if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET)
      troupe::os::sendOn(fd, message.encode());
  }
}

}  // namespace

TEST_F(FailedUpgrade, OfTwoProcessesOfWhichTheOlderDiesAndTheNewerIsLateEndsNobodyElse) {
  const std::string newer = copy("waits");
  runApp(tree, [&](Self& self) -> Task<> {
    auto child = (co_await self.find<Puppet>("/group/child")).within(5min);
    const auto older = co_await pidOf(child);
    const auto before = (co_await childrenOf(SupervisorRef("/"))).at("group").pid;
    self.spawn(upgradeAndNote("child", newer));
    co_await until(self, "its init()", [&] { return std::filesystem::exists(wordOf(newer)); });
    kill(static_cast<int>(older), SIGKILL);
    co_await until(self, "its failure", [] { return board().count("failed") == 1; });
    EXPECT_EQ((co_await child.echo(""))->getText().cStr(), imageName()) << "it was not upgraded";
    EXPECT_EQ((co_await childrenOf(SupervisorRef("/"))).at("group").pid, before);
  });
}

TEST_F(FailedUpgrade, OfOneThatWatchesLeavesItTheEndsOfThoseItWatches) {
  const std::string newer = copy("throws");
  runApp(tree, [&](Self& self) -> Task<> {
    auto other = (co_await self.find<Puppet>("/group/other")).within(5min);
    co_await until(self, "the watch", [] { return board().count("watching") == 1; });
    co_await errorOf(group().upgrade("watcher", newer));
    co_await errorOf(other.crash("kill"));
    co_await until(self, "the end of the other", [] { return board().count("ended") == 1; });
    co_await group().stop("other");
    co_await group().remove("other");
    co_await until(self, "that the other is gone", [] { return board().count("gone") == 1; });
  });
}

TEST_F(FailedUpgrade, OfOneThatCannotTakeItsOwnBackEndsIt) {
  const std::string newer = copy("throws");
  runApp(tree, [&](Self& self) -> Task<> {
    auto child = (co_await self.find<Puppet>("/group/child")).within(5min);
    const auto before = co_await pidOf(child);
    co_await child.note("");
    co_await errorOf(group().upgrade("child", newer));
    EXPECT_NE(co_await pidOf(child), before);
  });
}

TEST_F(FailedUpgrade, IsNotWhatOneMakesOfItThatSaysItIsReadyTooSoon) {
  const std::string newer = copy("eager");
  runApp(tree, [&](Self& self) -> Task<> {
    auto child = (co_await self.find<Puppet>("/group/child")).within(5min);
    const auto before = (co_await childrenOf(SupervisorRef("/"))).at("group").pid;
    co_await group().upgrade("child", newer);
    EXPECT_STREQ((co_await child.echo(""))->getText().cStr(), "eager");
    EXPECT_EQ((co_await childrenOf(SupervisorRef("/"))).at("group").pid, before);
  });
}

}  // namespace tests

int main(int argc, char** argv) {
  if (std::getenv("TROUPE_TICKET") != nullptr && tests::imageName() == "eager") tests::sayReady();
  return tests::runTestsOrBecome(argc, argv, tests::tree);
}
