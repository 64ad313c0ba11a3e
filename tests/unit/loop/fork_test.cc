// A loop and the processes forked while it exists.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "loop/loop.h"
#include "os/library_pipe.h"
#include "os/output.h"
#include "os/packet_pipe.h"
#include "os/process.h"
#include "tests/unit/os/children.h"

namespace troupe::loop {
namespace {

using namespace std::chrono_literals;

// Forks as a supervisor does: the child leaves its parent's loop alone, settles, and runs `body`.
pid_t forkFrom(Loop& parents, const os::Fd& kept, const std::function<void()>& body) {
  const os::ChildSettings settings{.parent = os::processId(), .keep = {kept.get()}};
  const pid_t child = os::forkProcess();
  if (child != 0) return child;
  parents.abandon();
  os::settleChild(settings);
  body();
  os::endProcess(0);
}

void tell(const os::Fd& to, const std::string& text) { (void)!::write(to.get(), text.data(), text.size()); }

TEST(Fork, AChildThatAbandonsItsParentsLoopDoesNotDisturbIt) {
  os::OutputPipe answer = os::makeOutputPipe();
  const os::Fd pipe = os::makePacketPipe();
  Loop loop;
  std::string seen;
  auto timer = std::make_unique<Timer>(loop, [&] {
    seen += "t";
    loop.stop();
  });
  timer->startIn(1h);
  auto poll = std::make_unique<Poll>(loop, pipe.get(), Interest::readable, [&](bool, bool) {
    char packet[os::kPacketBytes];
    os::readPacket(pipe.get(), packet);
    seen += "p";
    timer->startIn(1ms);
  });
  pid_t child = -1;
  // From a callback, as supervisors do: libuv's frames are on the stack then.
  loop.post([&] {
    child = forkFrom(loop, answer.writer, [&] {
      timer->startIn(0ms);
      timer->cancel();
      poll->want(Interest::both);
      poll.reset();
      timer.reset();
      loop.post([] {});
      loop.beforeSleep([] { return true; });
      loop.stop();
      Loop own;
      Timer mine(own, [&] { tell(answer.writer, "child's own timer"); });
      mine.startIn(1ms);
      own.run();
    });
  });
  loop.post([&] { loop.stop(); });
  loop.run();
  ASSERT_GT(child, 0);
  answer.writer.reset();
  EXPECT_EQ(os::test::readToEnd(answer.reader.get()), "child's own timer");
  ::waitpid(child, nullptr, 0);

  os::writePacket(pipe.get(), "x", 1);
  loop.run();

  EXPECT_EQ(seen, "pt");
}

TEST(Fork, GrandchildrenKeepTheDescriptorsThatTheirParentOpened) {
  os::OutputPipe answer = os::makeOutputPipe();
  Loop loop;
  const pid_t child = forkFrom(loop, answer.writer, [&] {
    Loop own;
    // As many as will have taken every number that was free when this process began.
    std::vector<os::Fd> opened;
    opened.reserve(20);
    for (int i = 0; i < 20; ++i) opened.push_back(os::makePacketPipe());
    const pid_t grandchild = os::forkProcess();
    if (grandchild == 0) {
      std::string state;
      for (const os::Fd& one : opened)
        state += (::fcntl(one.get(), F_GETFL) & (O_ACCMODE | O_DIRECT)) == (O_RDWR | O_DIRECT) ? "o" : "-";
      tell(answer.writer, state);
      os::endProcess(0);
    }
    ::waitpid(grandchild, nullptr, 0);
  });
  answer.writer.reset();
  EXPECT_EQ(os::test::readToEnd(answer.reader.get()), std::string(20, 'o'));
  ::waitpid(child, nullptr, 0);
}

TEST(Fork, ThePipeOfTheLibraryIsKnownInEachGeneration) {
  os::OutputPipe answer = os::makeOutputPipe();
  const auto state = [] {
    std::string result;
    for (const int fd : os::libraryPipe()) {
      const int access = ::fcntl(fd, F_GETFL);
      result += access < 0 ? "-" : (access & O_ACCMODE) == O_RDONLY ? "r" : "w";
    }
    return result;
  };
  Loop loop;
  ASSERT_EQ(state(), "rw") << "libuv has another way by now: library_pipe.h can go";
  const pid_t child = forkFrom(loop, answer.writer, [&] {
    tell(answer.writer, state());
    Loop own;
    ::waitpid(forkFrom(own, answer.writer, [&] { tell(answer.writer, state()); }), nullptr, 0);
  });
  answer.writer.reset();
  EXPECT_EQ(os::test::readToEnd(answer.reader.get()), "rwrw");
  ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace troupe::loop
