#include <troupe/error.h>

#include <sys/resource.h>

#include <gtest/gtest.h>

#include <cerrno>

namespace troupe {
namespace {

TEST(Error, SaysItsKindAndMessage) {
  const Error error(ErrorKind::invalid, "size is 0");
  EXPECT_EQ(error.kind(), ErrorKind::invalid);
  EXPECT_STREQ(error.what(), "size is 0");
  EXPECT_EQ(error.systemError(), 0);
  EXPECT_STREQ(toString(ErrorKind::timedOut), "timedOut");
  EXPECT_STREQ(toString(ErrorKind::system), "system");
}

TEST(Error, CarriesTheReasonOfAnEnd) {
  ExitReason reason;
  reason.kind = ExitKind::hung;
  EXPECT_EQ(Error::crashed("calling a", reason).exitReason(), reason);
  EXPECT_EQ(Error::crashed("calling a", reason).kind(), ErrorKind::crashed);
  EXPECT_EQ(Error::gone("calling a", reason).exitReason(), reason);
  EXPECT_EQ(Error::gone("calling a", reason).kind(), ErrorKind::gone);
}

TEST(Error, OfTheSystemSaysWhatErrnoMeans) {
  const Error error = Error::system("opening /none", ENOENT);
  EXPECT_EQ(error.message(), "opening /none: No such file or directory");
  EXPECT_EQ(error.kind(), ErrorKind::system);
  EXPECT_EQ(error.systemError(), ENOENT);
}

TEST(Error, OfTheSystemNamesTheLimitOnOpenFiles) {
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(Error::system("opening a pipe", EMFILE).message(),
            "opening a pipe: Too many open files (RLIMIT_NOFILE of this process is " +
                std::to_string(limit.rlim_cur) + ", at most " + std::to_string(limit.rlim_max) + ")");
  EXPECT_NE(Error::system("opening a pipe", ENFILE).message().find("fs.file-max"), std::string::npos);
}

}  // namespace
}  // namespace troupe
