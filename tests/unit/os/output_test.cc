#include "os/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

#include "os/signals.h"
#include "tests/unit/os/children.h"

namespace troupe::os {
namespace {

TEST(OutputEnd, WritesToAPipeWithoutBlockingAndWithoutTouchingTheOthersFlags) {
  const OutputPipe pipe = makeOutputPipe();
  OutputEnd end(pipe.writer.get());
  const std::string line(1000, 'x');

  int lines = 0;
  while (end.write(line) == line.size()) ++lines;

  EXPECT_GE(end.pollable(), 0);
  EXPECT_EQ(::fcntl(pipe.writer.get(), F_GETFL) & O_NONBLOCK, 0);
  std::array<char, 4096> room;
  long read = 0;
  for (long got = 0; (got = readOutput(pipe.reader.get(), room.data(), room.size())) > 0;) read += got;
  EXPECT_EQ(read, lines * 1000L) << "small pieces go whole or not at all";
  EXPECT_EQ(end.write("more"), 4u);
}

TEST(OutputEnd, SwallowsWhatNobodyReads) {
  ignoreBrokenPipes();
  OutputPipe pipe = makeOutputPipe();
  OutputEnd end(pipe.writer.get());
  pipe.reader.reset();
  EXPECT_EQ(end.write("hello"), 5u);
}

TEST(OutputEnd, SwallowsWhatIsWrittenToAClosedDescriptor) {
  OutputPipe pipe = makeOutputPipe();
  const int number = pipe.writer.get();
  pipe.writer.reset();
  OutputEnd end(number);
  EXPECT_EQ(end.write("hello"), 5u);
  EXPECT_EQ(end.pollable(), -1);
  EXPECT_EQ(OutputEnd().write("hello"), 5u);
}

TEST(OutputEnd, WritesToAFileAndNeverWaits) {
  const Fd file(::memfd_create("file", MFD_CLOEXEC));
  OutputEnd end(file.get());
  EXPECT_EQ(end.write("hello "), 6u);
  EXPECT_EQ(end.write("world"), 5u);
  EXPECT_EQ(end.pollable(), -1);

  std::array<char, 32> room = {};
  ASSERT_EQ(::pread(file.get(), room.data(), room.size(), 0), 11);
  EXPECT_STREQ(room.data(), "hello world");
}

TEST(OutputEnd, WritesToASocketWithoutBlocking) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const Fd here(ends[0]);
  Fd there(ends[1]);
  OutputEnd end(here.get());
  const std::string line(1000, 'x');
  while (end.write(line) != 0) {}
  EXPECT_EQ(end.pollable(), here.get());
  there.reset();
  EXPECT_EQ(end.write(line), line.size()) << "nobody there: swallowed";
}

TEST(OutputEnd, WritesToATerminalWithoutMakingItNonBlockingForOthers) {
  const Fd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!master.valid() || ::grantpt(master.get()) != 0 || ::unlockpt(master.get()) != 0)
    GTEST_SKIP() << "no terminals";
  const Fd terminal(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(terminal.valid());

  OutputEnd end(terminal.get());
  EXPECT_EQ(end.write("hello"), 5u);

  EXPECT_GE(end.pollable(), 0);
  EXPECT_EQ(::fcntl(terminal.get(), F_GETFL) & O_NONBLOCK, 0);
  std::array<char, 32> room = {};
  ASSERT_TRUE(test::becomesReadable(master.get()));
  EXPECT_EQ(::read(master.get(), room.data(), room.size()), 5);
}

TEST(OutputPipe, TellsNothingThereFromTheEnd) {
  OutputPipe pipe = makeOutputPipe();
  char byte = 0;
  EXPECT_EQ(readOutput(pipe.reader.get(), &byte, 1), -1);
  pipe.writer.reset();
  EXPECT_EQ(readOutput(pipe.reader.get(), &byte, 1), 0);
}

}  // namespace
}  // namespace troupe::os
