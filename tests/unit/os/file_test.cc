#include "os/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <troupe/error.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/scratch.h"

namespace {

using troupe::Error;
using troupe::os::readSystemFile;
using troupe::os::readWholeFile;
using troupe::os::writeWholeFile;

class FileTest : public testing::Test {
 protected:
  std::string in(const std::string& name) const { return folder_ / name; }
  std::size_t filesThere() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(folder_.path())) ++count;
    return count;
  }

  tests::Scratch folder_;
};

std::vector<std::byte> bytesOf(const std::string& text) {
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

TEST_F(FileTest, IsReadAsItWasWrittenAndIsItsOwnersAlone) {
  const auto bytes = bytesOf(std::string(200'000, 'x'));

  writeWholeFile(in("a"), bytes);

  EXPECT_EQ(readWholeFile(in("a"), 1'000'000), bytes);
  struct stat status = {};
  ASSERT_EQ(::stat(in("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_EQ(filesThere(), 1U) << "nothing is left beside";
}

TEST_F(FileTest, AFullDiskIsAnErrorAndLeavesWhatWasThere) {
  writeWholeFile(in("a"), bytesOf("before"));
  const auto large = bytesOf(std::string(100'000, 'x'));
  rlimit before = {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit little = {4096, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &little);

  int error = 0;
  try {
    writeWholeFile(in("a"), large);
  } catch (const Error& thrown) {
    error = thrown.systemError();
    EXPECT_NE(thrown.message().find(in("a")), std::string::npos) << thrown.message();
  }

  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(error, EFBIG);
  EXPECT_EQ(readWholeFile(in("a"), 100), bytesOf("before"));
  EXPECT_EQ(filesThere(), 1U) << "no half of a file";
}

TEST_F(FileTest, NoSuchFolderAndNoSuchFileAreErrorsThatNameThem) {
  try {
    writeWholeFile(in("no/where"), bytesOf("x"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.systemError(), ENOENT);
    EXPECT_NE(error.message().find("no/where"), std::string::npos);
  }
  EXPECT_THROW(readWholeFile(in("none"), 10), Error);
}

TEST_F(FileTest, OneThatIsTooLargeIsRefused) {
  writeWholeFile(in("a"), bytesOf(std::string(1000, 'x')));
  EXPECT_THROW(readWholeFile(in("a"), 999), Error);
  EXPECT_EQ(readWholeFile(in("a"), 1000).size(), 1000U);
}

// Of a process that has ended there is nothing to be read though its file was opened before: as of a folder.
TEST_F(FileTest, OfTheSystemIsReadWholeOrNothingOfIt) {
  EXPECT_EQ(readSystemFile("/proc/self/comm").back(), '\n');
  EXPECT_EQ(readSystemFile(folder_.path()), "");
  EXPECT_EQ(readSystemFile("/proc/self/mem"), "");
  EXPECT_EQ(readSystemFile(in("none")), "");
}

}  // namespace
