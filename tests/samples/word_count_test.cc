// The sample word_count: counts what wc counts, though a worker is killed midway.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/program.h"
#include "tests/support/scratch.h"

namespace tests {
namespace {

// Opens a pipe of that name for writing, as soon as somebody has opened it for reading.
int openWhenRead(Program& program, const std::string& path) {
  int fd = -1;
  EXPECT_TRUE(program.waitUntil([&] {
    fd = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0;
  })) << path;
  return fd;
}

void writeAll(int fd, const std::string& text) {
  EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

int unread(int fd) {
  int bytes = -1;
  ::ioctl(fd, FIONREAD, &bytes);
  return bytes;
}

// Which process of the program has that file open.
pid_t readerOf(const Program& program, const std::string& path) {
  namespace fs = std::filesystem;
  for (const auto& process : program.processes()) {
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(process.pid) + "/fd", gone)) {
      if (fs::read_symlink(entry, gone) == path) return process.pid;
    }
  }
  return 0;
}

// "words path" of each file, and the total, as wc says.
std::string expectedFrom(const std::vector<std::string>& paths) {
  std::string command = "LC_ALL=C.UTF-8 wc -w";
  for (const auto& path : paths) command += " '" + path + "'";
  FILE* const wc = ::popen(command.c_str(), "r");
  std::string text;
  std::array<char, 4096> line;
  while (std::fgets(line.data(), line.size(), wc) != nullptr) {
    std::istringstream words(line.data());
    std::string count;
    std::string path;
    words >> count >> path;
    text += count + " " + path + "\n";
  }
  EXPECT_EQ(::pclose(wc), 0);
  return text;
}

std::vector<std::string> manyFiles() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(sourcePath("docs")))
    if (entry.is_regular_file()) paths.push_back(entry.path());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(sourcePath("framework")))
    if (entry.path().extension() == ".cc" || entry.path().extension() == ".h") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

TEST(WordCountTest, CountsWhatWcCountsThoughAWorkerIsKilledMidway) {
  const Scratch folder;
  std::string text;
  for (int i = 0; i < 2000; ++i) text += i % 9 == 0 ? "word\n" : "another \t";
  std::vector<std::string> paths = manyFiles();
  ASSERT_GT(paths.size(), 100U);
  // The file in the midst comes through a pipe, so that the worker waits for its second half.
  const std::string slow = folder / "slow";
  ASSERT_EQ(::mkfifo(slow.c_str(), 0600), 0);
  paths.insert(paths.begin() + static_cast<std::ptrdiff_t>(paths.size() / 2), slow);
  Program program(samplePath("word_count"), paths);

  const int half = openWhenRead(program, slow);
  writeAll(half, text.substr(0, text.size() / 2));
  // The other end counts as opened before it has a number.
  pid_t worker = 0;
  ASSERT_TRUE(program.waitUntil([&] { return (worker = readerOf(program, slow)) > 0; }))
      << describe(program.processes());
  ASSERT_TRUE(program.waitUntil([&] { return unread(half) == 0; }));
  // Stopped it does not see that the pipe ends here; gone it is not taken for the next one who reads.
  ASSERT_EQ(::kill(worker, SIGSTOP), 0);
  ::close(half);
  ASSERT_EQ(::kill(worker, SIGKILL), 0);
  ASSERT_TRUE(program.waitUntil([&] { return ::kill(worker, 0) < 0; }));
  const int whole = openWhenRead(program, slow);
  writeAll(whole, text);
  ::close(whole);

  const auto end = program.waitForEnd();
  ASSERT_TRUE(end) << describe(program.processes());
  EXPECT_EQ(end->code, 0) << program.errors();
  EXPECT_EQ(describe(program.leftovers()), "");
  ASSERT_EQ(::unlink(slow.c_str()), 0);
  std::ofstream(slow) << text;
  EXPECT_EQ(program.output(), expectedFrom(paths));
  EXPECT_NE(program.errors().find("killed by SIGKILL"), std::string::npos) << program.errors();
}

TEST(WordCountTest, AFileThatCannotBeReadIsAnErrorAmongResults) {
  const std::string file = sourcePath("README.md");
  Program program(samplePath("word_count"), {file, "/no/such/file"});

  const auto end = program.waitForEnd();
  ASSERT_TRUE(end) << describe(program.processes());
  EXPECT_EQ(end->code, 0);
  std::istringstream expected(expectedFrom({file}));
  std::string count;
  expected >> count;
  EXPECT_EQ(program.output(), count + " " + file + "\n" + count + " total\n");
  EXPECT_NE(program.errors().find(" error /main: /no/such/file: "), std::string::npos) << program.errors();
}

}  // namespace tests
