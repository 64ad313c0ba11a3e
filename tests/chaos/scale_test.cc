// Many actors: 20 supervisors that share them start, each actor answers a call, and all stop in order. Prints
// times and memory.
//
// TROUPE_SCALE  how many actors (400)
#include <gtest/gtest.h>

#include <csignal>
#include <iostream>

#include "tests/chaos/actors.h"
#include "tests/support/program.h"

namespace tests {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kSupervisors = 20;

std::string groupName(unsigned number) { return "group" + std::to_string(number); }

int runTheApp(int argc, char** argv) {
  const unsigned each = static_cast<unsigned>(std::stoul(argv[2]));
  troupe::App app(argc, argv);
  for (unsigned i = 1; i <= kSupervisors; ++i) {
    auto& group = app.supervisor(groupName(i));
    for (unsigned k = 1; k <= each; ++k) group.child<Member>("member" + std::to_string(k));
  }
  app.main([each](troupe::Self& self) -> troupe::Task<> {
    Console console;
    std::cout << "started" << std::endl;
    co_await console.line();
    unsigned right = 0;
    for (unsigned i = 1; i <= kSupervisors; ++i) {
      for (unsigned k = 1; k <= each; ++k) {
        const std::string path = "/" + groupName(i) + "/member" + std::to_string(k);
        const std::uint64_t number = 16 * (i * each + k) + 1;  // one that is answered at once
        auto member = co_await self.find<chaos::Member>(path);
        auto reply = co_await member.within(5min).triple(number);
        if (reply->getTripled() == 3 * number) ++right;
      }
    }
    std::cout << "answered " << right << std::endl;
    co_await console.line();
  });
  return app.run();
}

double secondsSince(Clock::time_point then) {
  return std::chrono::duration<double>(Clock::now() - then).count();
}

struct Count {
  std::size_t processes = 0;
  std::size_t privateKiB = 0;
  std::size_t residentKiB = 0;
  std::size_t descriptors = 0;

  void add(pid_t pid) {
    const Memory memory = memoryOf(pid);
    ++processes;
    privateKiB += memory.privateKiB;
    residentKiB += memory.residentKiB;
    descriptors += descriptorsOf(pid);
  }
  void print(const char* what) const {
    std::printf("%-11s %5zu, each %5zu KiB private, %6zu KiB resident, %5zu descriptors\n", what, processes,
                privateKiB / processes, residentKiB / processes, descriptors / processes);
  }
};

TEST(ScaleTest, ManyActorsStartAnswerAndStopInOrder) {
  const unsigned actors = fromEnvironment("TROUPE_SCALE", 400) / kSupervisors * kSupervisors;
  const auto begin = Clock::now();
  Program app(ownPath(), {"app", std::to_string(actors / kSupervisors)});
  ASSERT_TRUE(app.waitForLine("started")) << app.errors();
  const double starting = secondsSince(begin);

  const auto asked = Clock::now();
  app.send("ask\n");
  const auto answered = app.waitForLine("answered ");
  const double answering = secondsSince(asked);
  EXPECT_EQ(answered.value_or("nothing"), "answered " + std::to_string(actors)) << app.errors();

  Count root, supervisors, members;
  for (const Process& process : app.processes()) {
    const std::string path = process.path();
    if (process.pid == app.pid()) root.add(process.pid);
    if (path.starts_with("/group"))
      (path.find('/', 1) == std::string::npos ? supervisors : members).add(process.pid);
  }
  EXPECT_EQ(supervisors.processes, kSupervisors);
  EXPECT_EQ(members.processes, actors);

  const auto told = Clock::now();
  app.signal(SIGTERM);
  const auto end = app.waitForEnd();
  const double stopping = secondsSince(told);
  ASSERT_TRUE(end) << describe(app.processes());
  EXPECT_TRUE(!end->signaled && end->code == 0) << app.errors();
  EXPECT_EQ(describe(app.leftovers()), "");
  EXPECT_EQ(describe(app.orphans()), "");

  std::printf("%u actors: started in %.2f s (%.0f a second), a call of each in %.2f s, stopped in %.2f s\n",
              actors, starting, actors / starting, answering, stopping);
  root.print("the root:");
  supervisors.print("supervisors:");
  members.print("actors:");
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "app") return tests::runTheApp(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
