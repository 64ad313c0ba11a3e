#include "tests/support/commands.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace tests {

void CommandsTest::SetUp() {
  AppTest::SetUp();
  EXPECT_TRUE(marked().empty());
}

troupe::Environment theMark() {
  static const std::string value = "of the test program " + std::to_string(::getpid());
  return {{"TROUPE_TEST_MARK", value}};
}

std::set<int> marked() {
  static const std::string mark = theMark()[0].first + "=" + theMark()[0].second;
  std::set<int> pids;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "environ");
    for (std::string each; std::getline(file, each, '\0');) {
      if (each == mark) pids.insert(std::stoi(name));
    }
  }
  return pids;
}

Task<> allGone(Self& self) {
  const std::function<bool()> gone = [] { return marked().empty(); };
  co_await until(self, "the end of all that was started", gone);
}

Task<> becomeMarked(Self& self, std::size_t count) {
  const std::function<bool()> are = [count] { return marked().size() == count; };
  co_await until(self, std::to_string(count) + " processes of the command", are);
}

troupe::ProgramSpec running(const std::string& script) {
  return {.argv = {"/bin/sh", "-c", script},
          .environment = theMark(),
          .child = {.restart = troupe::Restart::temporary}};
}

troupe::CommandSpec command(const std::string& script) {
  return {.argv = {"/bin/sh", "-c", script}, .environment = theMark(), .within = 100s};
}

Task<std::string> lineOf(troupe::Program program) {
  const auto line = co_await program.within(5min).readLine();
  co_return line.value_or("(end)");
}

}  // namespace tests
