// The file of a log: places that are remembered, older files, and who may have it.
#include "os/log_file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <troupe/error.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "tests/support/scratch.h"

namespace troupe::os {
namespace {

class LogFileTest : public testing::Test {
 protected:
  void fill(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }
  std::string content(const std::string& name) const {
    std::ifstream file(folder_ / name);
    return file.good() ? std::string(std::istreambuf_iterator<char>(file), {}) : "none";
  }

  tests::Scratch folder_;
  LogFile file_{folder_ / "log"};
};

TEST_F(LogFileTest, TheSameAtTheSamePlaceOnceMoreIsThereOnce) {
  fill("log", "before\n");
  const FilePlace place = file_.open();
  EXPECT_EQ(place.bytes, 7U);

  EXPECT_EQ(file_.write("one\ntw", 7).bytes, 6U);
  EXPECT_FALSE(file_.endsInLine(file_.open().bytes));
  EXPECT_EQ(file_.write("one\ntwo\n", 7).bytes, 8U);
  EXPECT_EQ(content("log"), "before\none\ntwo\n");
  EXPECT_TRUE(file_.endsInLine(file_.open().bytes));
  EXPECT_TRUE(file_.open().sameFile(place));

  file_.cut(11);
  EXPECT_EQ(content("log"), "before\none\n");
}

TEST_F(LogFileTest, OneThatWasMovedAwayIsMadeAnew) {
  const FilePlace first = file_.open();
  file_.write("one\n", 0);
  std::rename((folder_ / "log").c_str(), (folder_ / "moved").c_str());

  const FilePlace second = file_.open();

  EXPECT_FALSE(second.sameFile(first));
  EXPECT_EQ(second.bytes, 0U);
  file_.write("two\n", 0);
  EXPECT_EQ(content("moved"), "one\n");
  EXPECT_EQ(content("log"), "two\n");
}

TEST_F(LogFileTest, TheOldestGoesWhereThereAreTooMany) {
  for (const char* name : {"log", "log.1", "log.2", "log.3"}) fill(name, name);

  file_.shift(3);

  EXPECT_EQ(content("log"), "none");
  EXPECT_EQ(content("log.1"), "log");
  EXPECT_EQ(content("log.2"), "log.1");
  EXPECT_EQ(content("log.3"), "log.2");
  fill("log", "new");
  file_.shift(0);
  EXPECT_EQ(content("log"), "none");
  EXPECT_EQ(content("log.1"), "log");
}

TEST_F(LogFileTest, AShiftThatWasBegunIsBroughtToItsEnd) {
  for (const char* name : {"log", "log.1", "log.3"}) fill(name, name);

  file_.shift(3);

  EXPECT_EQ(content("log.1"), "log");
  EXPECT_EQ(content("log.2"), "log.1");
  EXPECT_EQ(content("log.3"), "log.3") << "it was moved before";
}

TEST_F(LogFileTest, BelongsToOneProcess) {
  file_.open();
  const pid_t other = ::fork();
  if (other == 0) {
    LogFile mine(folder_ / "log");
    try {
      mine.open();
    } catch (const Error& error) {
      ::_exit(error.kind() == ErrorKind::invalid ? 7 : 1);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(other, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_THROW(LogFile("/dev/null").open(), Error) << "no plain file";
}

}  // namespace
}  // namespace troupe::os
