// Brings its own main: some tests run this program anew, in a role that an environment variable names.
#include "os/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <troupe/error.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <thread>

#include "os/output.h"
#include "os/title.h"
#include "tests/unit/os/children.h"

namespace troupe::os {
namespace {

constexpr const char* kRole = "TROUPE_UNIT_OS_ROLE";

std::string contentsOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// "name title", as the system shows them to others.
std::string titleSeen() {
  std::string name = contentsOf("/proc/self/comm");
  name.pop_back();
  return name + "|" + contentsOf("/proc/self/cmdline").c_str();
}

std::size_t openDescriptorCount() {
  std::size_t count = 0;
  for (int fd = 0; fd < 1024; ++fd)
    if (::fcntl(fd, F_GETFD) >= 0) ++count;
  return count;
}

// A process made as supervisors make them, that runs `body` and tells what that returns.
std::string inSettledChild(const std::function<std::string()>& body, ChildSettings settings = {}) {
  OutputPipe answer = makeOutputPipe();
  settings.parent = processId();
  settings.keep.push_back(answer.writer.get());
  const pid_t child = forkProcess();
  if (child == 0) {
    settleChild(settings);
    const std::string text = body();
    endProcess(::write(answer.writer.get(), text.data(), text.size()) < 0 ? 1 : 0);
  }
  answer.writer.reset();
  std::string text = test::readToEnd(answer.reader.get());
  ::waitpid(child, nullptr, 0);
  return text;
}

TEST(SettleChild, ClosesEverythingThatIsNotItsOwn) {
  const OutputPipe mine = makeOutputPipe();
  const OutputPipe shared = makeOutputPipe();
  const auto state = [&] {
    const auto open = [](const Fd& fd) { return ::fcntl(fd.get(), F_GETFD) >= 0 ? "o" : "-"; };
    return std::string(open(mine.reader)) + open(mine.writer) + open(shared.reader) + open(shared.writer) +
           std::to_string(openDescriptorCount());
  };
  EXPECT_EQ(inSettledChild(state, {.keep = {shared.writer.get()}}), "---o5")
      << "0, 1, 2, the kept one, and the answer's";
}

TEST(SettleChild, ResetsSignals) {
  ::signal(SIGTERM, SIG_IGN);
  ::signal(SIGUSR1, [](int) {});
  sigset_t some;
  sigemptyset(&some);
  sigaddset(&some, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &some, nullptr);
  const auto state = [] {
    std::string result;
    for (const int signal : {SIGTERM, SIGUSR1, SIGPIPE, SIGINT}) {
      struct sigaction action = {};
      ::sigaction(signal, nullptr, &action);
      result += action.sa_handler == SIG_DFL ? "d" : action.sa_handler == SIG_IGN ? "i" : "h";
    }
    sigset_t blocked;
    ::sigprocmask(SIG_SETMASK, nullptr, &blocked);
    for (int signal = 1; signal < NSIG; ++signal)
      if (sigismember(&blocked, signal) == 1) result += "b";
    return result;
  };
  EXPECT_EQ(inSettledChild(state), "ddii");

  sigset_t blocked;
  ::sigprocmask(SIG_SETMASK, nullptr, &blocked);
  EXPECT_TRUE(sigismember(&blocked, SIGCHLD)) << "the parent's mask is as before";
  EXPECT_FALSE(sigismember(&blocked, SIGTERM));
  ::sigprocmask(SIG_UNBLOCK, &some, nullptr);
  ::signal(SIGTERM, SIG_DFL);
  ::signal(SIGUSR1, SIG_DFL);
}

TEST(SettleChild, TakesItsStandardDescriptors) {
  OutputPipe output = makeOutputPipe();
  OutputPipe error = makeOutputPipe();
  const std::string input = inSettledChild(
      [] {
        std::printf("a whole line\n");  // leaves at once, by line
        (void)!::write(STDERR_FILENO, "trouble\n", 8);
        char byte = 0;
        return std::to_string(::read(STDIN_FILENO, &byte, 1));
      },
      {.standardOutput = output.writer.get(), .standardError = error.writer.get()});
  output.writer.reset();
  error.writer.reset();

  EXPECT_EQ(test::readToEnd(output.reader.get()), "a whole line\n");
  EXPECT_EQ(test::readToEnd(error.reader.get()), "trouble\n");
  EXPECT_EQ(input, "0") << "standard input is /dev/null";
}

TEST(SettleChild, SwapsOutputAndErrorWhereAskedTo) {
  OutputPipe output = makeOutputPipe();
  OutputPipe error = makeOutputPipe();
  test::Child parent([&] {
    ::dup2(output.writer.get(), STDOUT_FILENO);
    ::dup2(error.writer.get(), STDERR_FILENO);
    const ChildSettings swapped{
        .parent = processId(), .standardOutput = STDERR_FILENO, .standardError = STDOUT_FILENO};
    const pid_t child = forkProcess();
    if (child == 0) {
      settleChild(swapped);
      (void)!::write(STDOUT_FILENO, "to output", 9);
      (void)!::write(STDERR_FILENO, "to error", 8);
      endProcess(0);
    }
    return ::waitpid(child, nullptr, 0) == child ? 0 : 1;
  });
  EXPECT_EQ(parent.exitCode(), 0);
  output.writer.reset();
  error.writer.reset();
  EXPECT_EQ(test::readToEnd(output.reader.get()), "to error");
  EXPECT_EQ(test::readToEnd(error.reader.get()), "to output");
}

TEST(SettleChild, DiesWithItsParent) {
  OutputPipe alive = makeOutputPipe();
  OutputPipe ready = makeOutputPipe();
  test::Child parent([&] {
    const ChildSettings settings{.parent = processId(), .keep = {alive.writer.get(), ready.writer.get()}};
    if (forkProcess() == 0) {
      settleChild(settings);
      (void)!::write(ready.writer.get(), "r", 1);
      for (;;) ::pause();
    }
    for (;;) ::pause();
    return 0;
  });
  alive.writer.reset();
  ASSERT_TRUE(test::becomesReadable(ready.reader.get()));

  parent.kill(SIGKILL);

  EXPECT_EQ(test::readToEnd(alive.reader.get()), "") << "the end of the pipe: nobody holds it any more";
}

TEST(SettleChild, EndsAtOnceWhereTheParentIsGoneAlready) {
  OutputPipe alive = makeOutputPipe();
  test::Child parent([&] {
    const ChildSettings settings{.parent = processId(), .keep = {alive.writer.get()}};
    OutputPipe orphaned = makeOutputPipe();
    if (::fork() == 0) {
      // Goes on only when its parent is gone.
      orphaned.writer.reset();
      test::readToEnd(orphaned.reader.get());
      while (::getppid() == settings.parent) ::sched_yield();
      settleChild(settings);
      (void)!::write(alive.writer.get(), "lives", 5);
      ::_exit(0);
    }
    return 0;
  });
  alive.writer.reset();
  EXPECT_EQ(parent.exitCode(), 0);
  EXPECT_EQ(test::readToEnd(alive.reader.get()), "");
}

TEST(ForkProcess, IsRefusedInAProcessWithThreads) {
  OutputPipe hold = makeOutputPipe();
  std::thread other([&] { test::readToEnd(hold.reader.get()); });
  try {
    forkProcess();
    ADD_FAILURE() << "forked with two threads";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
  }
  hold.writer.reset();
  other.join();
}

TEST(ForkProcess, OutputIsNotWrittenTwice) {
  OutputPipe output = makeOutputPipe();
  test::Child parent([&] {
    ::dup2(output.writer.get(), STDOUT_FILENO);
    std::setvbuf(stdout, nullptr, _IOFBF, 4096);
    std::printf("printed once ");
    std::cout << "streamed once";
    const pid_t child = forkProcess();
    if (child == 0) endProcess(0);
    ::waitpid(child, nullptr, 0);
    endProcess(0);
    return 0;
  });
  output.writer.reset();
  EXPECT_EQ(test::readToEnd(output.reader.get()), "printed once streamed once");
}

TEST(ReapChild, TellsHowEachProcessEnded) {
  test::Child watcher([] {
    if (reapChild()) return 1;
    const pid_t exits = ::fork();
    if (exits == 0) ::_exit(7);
    const pid_t dies = ::fork();
    if (dies == 0)
      for (;;) ::pause();
    if (childrenOfThisProcess().empty()) return 2;
    sendSignal(dies, SIGKILL);
    for (int reaped = 0; reaped < 2;) {
      siginfo_t info = {};
      ::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);  // sleeps until there is one
      const auto end = reapChild();
      if (!end) return 3;
      if (end->pid == exits && (end->signaled || end->code != 7)) return 4;
      if (end->pid == dies && (!end->signaled || end->code != SIGKILL || end->coreDumped)) return 5;
      ++reaped;
    }
    if (sendSignal(dies, SIGKILL) || sendSignal(0, SIGKILL) || sendSignal(-1, SIGKILL)) return 6;
    return reapChild() || !childrenOfThisProcess().empty() ? 7 : 0;
  });
  EXPECT_EQ(watcher.exitCode(), 0);
}

TEST(ReapChild, OrphansComeToTheirAdopter) {
  test::Child adopter([] {
    adoptOrphans();
    OutputPipe told = makeOutputPipe();
    const pid_t middle = ::fork();
    if (middle == 0) {
      const pid_t orphan = ::fork();
      if (orphan == 0) {
        told.writer.reset();
        for (;;) ::pause();
      }
      (void)!::write(told.writer.get(), &orphan, sizeof(orphan));
      ::_exit(0);
    }
    told.writer.reset();
    ::waitpid(middle, nullptr, 0);
    pid_t orphan = 0;
    if (::read(told.reader.get(), &orphan, sizeof(orphan)) != sizeof(orphan)) return 1;
    if (childrenOfThisProcess() != std::vector<pid_t>{orphan}) return 2;
    sendSignal(orphan, SIGKILL);
    siginfo_t info = {};
    ::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
    const auto end = reapChild();
    return end && end->pid == orphan ? 0 : 3;
  });
  EXPECT_EQ(adopter.exitCode(), 0);
}

TEST(FillStandardDescriptors, NoOtherDescriptorTakesTheirPlace) {
  test::Child child([] {
    ::close(STDIN_FILENO);
    ::close(STDERR_FILENO);
    fillStandardDescriptors();
    const int next = ::dup(STDIN_FILENO);
    return next > STDERR_FILENO ? 0 : 1;
  });
  EXPECT_EQ(child.exitCode(), 0);
}

// --- Anew, in a role
// -------------------------------------------------------------------------------------------------

std::string answerOf(const std::string& role, const std::vector<std::string>& arguments) {
  OutputPipe answer = makeOutputPipe();
  OutputPipe kept = makeOutputPipe();
  test::Child child([&] {
    ::dup2(answer.writer.get(), STDOUT_FILENO);
    const int keep[] = {kept.writer.get()};
    return execAgain({}, arguments,
                     {{kRole, role},
                      {"KEPT", std::to_string(keep[0])},
                      {"LOST", std::to_string(kept.reader.get())},
                      {"HOME", "/elsewhere"}},
                     keep);
  });
  answer.writer.reset();
  std::string text = test::readToEnd(answer.reader.get());
  EXPECT_EQ(child.exitCode(), 0);
  return text;
}

int execRole(int argc, char** argv) {
  const char* home = std::getenv("HOME");
  const auto open = [](const char* name) { return ::fcntl(std::atoi(std::getenv(name)), F_GETFD) >= 0; };
  std::printf("%d %s %s%s%s", argc, argv[1], home, open("KEPT") ? " kept" : "", open("LOST") ? "" : " lost");
  return 0;
}

TEST(ExecAgain, RunsThisProgramWithItsOwnArgumentsEnvironmentAndKeptDescriptors) {
  EXPECT_EQ(answerOf("exec", {"program", "an argument"}), "2 an argument /elsewhere kept lost");
}

int titleRole(int argc, char** argv) {
  const std::string before = argv[1];
  const std::string home = std::getenv("HOME");
  reserveTitle(argc, argv);
  setTitle("shop/till (worker)");
  std::printf("%s\n", titleSeen().c_str());
  setTitle("a/very/long/path/of/an/actor/that/needs/more/room/than/the/arguments/had x");
  std::printf("%s\n", titleSeen().c_str());
  setTitle("short");
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    setTitle("forked child");
    std::printf("%s\n", titleSeen().c_str());
    std::fflush(stdout);
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  setTitle(std::string(1'000'000, 'x'));
  const bool intact = argv[1] == before && std::getenv("HOME") == home && argv[argc] == nullptr;
  std::printf("%s %zu %s\n", intact ? "intact" : "lost", std::min<std::size_t>(titleSeen().size(), 200),
              argv[0]);
  return 0;
}

TEST(Title, IsWhatTheSystemShows) {
  EXPECT_EQ(answerOf("title", {"program", "an argument"}),
            "shop/till|shop/till (worker)\n"
            "e/arguments/had|a/very/long/path/of/an/actor/that/needs/more/room/than/the/arguments/had x\n"
            "forked|forked child\n"
            "intact 200 program\n");
}

}  // namespace
}  // namespace troupe::os

int main(int argc, char** argv) {
  const char* role = std::getenv(troupe::os::kRole);
  if (role != nullptr && std::strcmp(role, "exec") == 0) return troupe::os::execRole(argc, argv);
  if (role != nullptr && std::strcmp(role, "title") == 0) return troupe::os::titleRole(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
