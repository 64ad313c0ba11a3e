// The sample watchdog: foreign programs that crash, hang and end well.
#include <gtest/gtest.h>

#include "tests/support/program.h"
#include "tests/support/scratch.h"

namespace tests {
namespace {

TEST(WatchdogTest, StartsAgainWhatCrashesAndWhatHangsAndEndsWhenAllHaveEndedWell) {
  const Scratch scratch;
  // Does that the first time, and then says so.
  const auto firstTime = [&](const std::string& what, const std::string& does) {
    const std::string file = "'" + scratch / what + "'";
    return "test -e " + file + " || { touch " + file + "; echo " + what + "; " + does + "; }; echo after " +
           what;
  };
  Program program(samplePath("watchdog"),
                  {"2", "echo nothing happens", firstTime("a crash", "ulimit -c 0; kill -SEGV $$"),
                   firstTime("a hang", "sleep 1000")});

  const auto end = program.waitForEnd();
  ASSERT_TRUE(end) << describe(program.processes());
  EXPECT_EQ(end->code, 0) << program.errors();
  EXPECT_EQ(describe(program.leftovers()), "");
  const std::string& text = program.output();
  for (const char* line :
       {"watcher1 | nothing happens\n", "watcher1 | [ended normally]\n", "watcher2 | a crash\n",
        "watcher2 | [killed by SIGSEGV]\n", "watcher2 | after a crash\n", "watcher3 | a hang\n",
        "watcher3 | [silent for too long]\n", "watcher3 | [killed by SIGKILL]\n", "watcher3 | after a hang\n",
        "watcher3 | [ended normally]\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << " in:\n" << text;
  }
}

}  // namespace
}  // namespace tests
