// Program and communicate(): foreign commands, their streams and their ends.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

#include "tests/support/app_run.h"
#include "tests/support/commands.h"
#include "tests/support/killing.h"
#include "tests/support/puppet.h"
#include "tests/support/sanitized.h"

namespace tests {

namespace {

using troupe::CommandSpec;
using troupe::Error;
using troupe::ErrorKind;
using troupe::ExitKind;
using troupe::ExitReason;
using troupe::Finished;
using troupe::Program;
using troupe::ProgramSpec;
using troupe::Restart;
using troupe::StreamTo;
using troupe::SupervisorRef;

}  // namespace

class ProgramTest : public CommandsTest {};

// --- Streams ---

TEST_F(ProgramTest, TakesTextGivesLinesAndTellsItsEnd) {
  runApp([](troupe::App& app) { app.add<Program>("sort", running("sort")); },
         [](Self& self) -> Task<> {
           auto sort = co_await self.find<Program>("sort");
           co_await sort.write("pear\napple\n");
           co_await sort.write("fig");
           co_await sort.closeInput();
           EXPECT_EQ((co_await errorOf(sort.write("more"))).kind(), ErrorKind::refused);
           std::string all;
           while (auto line = co_await sort.readLine()) all += *line + " ";
           EXPECT_EQ(all, "apple fig pear ");
           const ExitReason end = co_await sort.wait();
           EXPECT_EQ(end.kind, ExitKind::normal) << end.toString();
           const auto after = co_await sort.readLine();
           EXPECT_FALSE(after);
         });
}

TEST_F(ProgramTest, BytesPassUnharmedAndReadersThatWaitHoldTheCommandUp) {
  runApp([](troupe::App& app) { app.add<Program>("cat", running("cat")); },
         [](Self& self) -> Task<> {
           std::string bytes;
           for (int i = 0; i < 3'000'000; ++i) bytes += static_cast<char>(i * 7 + i / 256);
           auto cat = co_await self.find<Program>("cat");
           const Error full = co_await errorOf(cat.within(50ms).write(bytes));
           EXPECT_EQ(full.kind(), ErrorKind::timedOut);
           EXPECT_NE(full.message().find("of 3000000 bytes were written"), std::string::npos) << full.what();
           const std::size_t at = full.message().find("; ") + 2;
           const auto written = std::stoul(full.message().substr(at));
           self.spawn([](Program to, std::string rest) -> Task<> {
             co_await to.write(std::move(rest));
             co_await to.closeInput();
           }(cat, bytes.substr(written)));
           std::string back;
           while (auto some = co_await cat.read()) back += *some;
           EXPECT_EQ(back.size(), bytes.size());
           EXPECT_TRUE(back == bytes);
         });
}

TEST_F(ProgramTest, EachOfSeveralReadersGetsSomethingElse) {
  runApp([](troupe::App& app) { app.add<Program>("cat", running("cat")); },
         [](Self& self) -> Task<> {
           auto cat = co_await self.find<Program>("cat");
           for (int i = 0; i < 20; ++i) {
             self.spawn(
                 [](Program from) -> Task<> { Board::shared().note("got " + co_await lineOf(from)); }(cat));
           }
           const Error nothing = co_await errorOf(cat.within(20ms).readLine());
           EXPECT_EQ(nothing.kind(), ErrorKind::timedOut);
           EXPECT_NE(nothing.message().find("the output of /cat"), std::string::npos) << nothing.what();
           for (int i = 0; i < 20; ++i) co_await cat.write(std::to_string(i) + "\n");
           const auto all = [] { return Board::shared().notesAfter("got ").size() == 20; };
           co_await until(self, "all are read", all);
           for (int i = 0; i < 20; ++i) EXPECT_EQ(Board::shared().count("got " + std::to_string(i)), 1U) << i;
         });
}

TEST_F(ProgramTest, AReadThatIsGivenUpTakesNothing) {
  runApp([](troupe::App& app) { app.add<Program>("cat", running("cat")); },
         [](Self& self) -> Task<> {
           auto cat = co_await self.find<Program>("cat");
           co_await cat.pid();
           {
             auto read = cat.readLine();
             read.resume();
           }
           co_await cat.write("a\n");
           EXPECT_EQ(co_await lineOf(cat), "a");
         });
}

TEST_F(ProgramTest, OutputAndErrorsAreReadApartAndLongLinesInPieces) {
  runApp(
      [](troupe::App& app) {
        auto spec = running(
            "echo out; echo err >&2; echo; head -c 1048577 /dev/zero | tr '\\0' x; echo; echo -n end");
        spec.errors = StreamTo::reader;
        app.add<Program>("talker", spec);
      },
      [](Self& self) -> Task<> {
        auto talker = co_await self.find<Program>("talker");
        EXPECT_EQ(co_await lineOf(talker), "out");
        EXPECT_EQ(co_await lineOf(talker), "");
        EXPECT_EQ((co_await lineOf(talker)).size(), 1U << 20);
        EXPECT_EQ(co_await lineOf(talker), "x");
        EXPECT_EQ(co_await lineOf(talker), "end");
        EXPECT_EQ(co_await lineOf(talker), "(end)");
        const auto error = co_await talker.readErrorLine();
        EXPECT_EQ(error.value_or("(end)"), "err");
        const auto none = co_await talker.readErrors();
        EXPECT_FALSE(none);
      });
}

TEST_F(ProgramTest, WhatNobodyReadsGoesToTheLogInWholeLines) {
  const Ended ended = runApp(
      [](troupe::App& app) {
        auto spec = running("echo one; echo two >&2; read line; echo -n three");
        spec.output = StreamTo::log;
        app.add<Program>("talker", spec);
      },
      [](Self& self) -> Task<> {
        auto talker = co_await self.find<Program>("talker");
        const Error no = co_await errorOf(talker.readLine());
        EXPECT_EQ(no.kind(), ErrorKind::refused);
        EXPECT_NE(no.message().find("its output can't be read"), std::string::npos) << no.what();
        co_await talker.write("go on\n");
        EXPECT_EQ((co_await talker.wait()).kind, ExitKind::normal);
      });
  EXPECT_NE(ended.out.find("talker | one\n"), std::string::npos) << ended.out;
  EXPECT_NE(ended.out.find("talker | three\n"), std::string::npos) << ended.out;
  EXPECT_NE(ended.err.find("talker | two\n"), std::string::npos) << ended.err;
}

TEST_F(ProgramTest, AnInputThatIsClosedIsAClearError) {
  runApp(
      [](troupe::App& app) {
        app.add<Program>("deaf", running("exec 0<&-; echo ready; sleep 1000"));
        auto spec = running("sleep 1000");
        spec.input = false;
        app.add<Program>("mute", spec);
      },
      [](Self& self) -> Task<> {
        auto deaf = co_await self.find<Program>("deaf");
        EXPECT_EQ(co_await lineOf(deaf), "ready");
        const Error broken = co_await errorOf(deaf.write("text"));
        EXPECT_EQ(broken.kind(), ErrorKind::system);
        EXPECT_EQ(broken.systemError(), EPIPE);
        EXPECT_NE(broken.message().find("the input of /deaf: the command reads no more; 0 of 4 bytes"),
                  std::string::npos)
            << broken.what();
        auto mute = co_await self.find<Program>("mute");
        EXPECT_EQ((co_await errorOf(mute.write("text"))).kind(), ErrorKind::refused);
      });
}

// --- Its end ---

TEST_F(ProgramTest, EndsForTheReasonOfItsCommand) {
  runApp(
      [](troupe::App& app) {
        app.add<Program>("code", running("read line; exit 3"));
        app.add<Program>("signal", running("read line; kill -SEGV $$"));
      },
      [](Self& self) -> Task<> {
        auto code = co_await self.find<Program>("code");
        auto monitor = self.monitor(code);
        EXPECT_EQ((co_await errorOf(code.within(20ms).wait())).kind(), ErrorKind::timedOut);
        co_await code.write("go\n");
        const ExitReason end = co_await code.wait();
        EXPECT_EQ(end.toString(), "exited with code 3");
        const troupe::Down down = co_await monitor.next();
        EXPECT_EQ(down.reason.toString(), "exited with code 3") << "the actor's own";
        const Error over = co_await errorOf(code.write("more\n"));
        EXPECT_EQ(over.kind(), ErrorKind::gone);
        EXPECT_NE(over.message().find("exited with code 3"), std::string::npos) << over.what();
        auto signal = co_await self.find<Program>("signal");
        auto signalMonitor = self.monitor(signal);
        co_await signal.write("go\n");
        const ExitReason killed = co_await signal.wait();
        EXPECT_EQ(killed.kind, ExitKind::signaled);
        EXPECT_EQ(killed.code, SIGSEGV);
        const troupe::Down signalDown = co_await signalMonitor.next();
        EXPECT_EQ(signalDown.reason.kind, ExitKind::signaled) << signalDown.reason.toString();
        EXPECT_EQ(signalDown.reason.code, SIGSEGV);
      });
}

TEST_F(ProgramTest, IsRestartedByItsPolicyAndAHandleStandsForOneRun) {
  runApp(
      [](troupe::App& app) {
        auto spec = running("echo $$; read line; exit $line");
        spec.child.restart = Restart::transient;
        app.add<Program>("service", spec);
      },
      [](Self& self) -> Task<> {
        auto first = co_await self.find<Program>("service");
        const std::string firstPid = co_await lineOf(first);
        EXPECT_EQ(firstPid, std::to_string(co_await first.pid()));
        co_await first.write("1\n");
        EXPECT_EQ((co_await first.wait()).code, 1);
        auto second = co_await self.find<Program>("service");
        EXPECT_NE(co_await lineOf(second), firstPid);
        EXPECT_EQ(co_await lineOf(first), "(end)") << "that run is over";
        EXPECT_EQ((co_await errorOf(first.write("1\n"))).kind(), ErrorKind::gone);
        co_await second.write("0\n");
        EXPECT_EQ((co_await second.wait()).kind, ExitKind::normal);
        co_await becomesState(self, SupervisorRef("/"), "service", troupe::ChildState::stopped);
      });
}

TEST_F(ProgramTest, OneThatCannotBeExecutedIsAFailedStart) {
  const auto start = [](const ProgramSpec& spec) {
    return runToEnd([spec](troupe::App& app) { app.add<Program>("program", spec); },
                    [](Self&) -> Task<> { co_return; })
        .err;
  };
  const std::string missing = start({.argv = {"/no/such/program"}});
  EXPECT_NE(missing.find("could not be started: No such file or directory: cannot run /no/such/program"),
            std::string::npos)
      << missing;
  const std::string folder = start({.argv = {"/etc/passwd"}});
  EXPECT_NE(folder.find("cannot run /etc/passwd: Permission denied"), std::string::npos) << folder;
  const std::string directory = start({.argv = {"true"}, .directory = "/no/such/folder"});
  EXPECT_NE(directory.find("cannot run true in the directory /no/such/folder"), std::string::npos)
      << directory;
}

TEST_F(ProgramTest, ASpecThatMakesNoSenseIsRefused) {
  const auto refusal = [](const ProgramSpec& spec) {
    return runToEnd([spec](troupe::App& app) { app.add<Program>("program", spec); },
                    [](Self&) -> Task<> { co_return; })
        .err;
  };
  EXPECT_NE(refusal({.argv = {}}).find("the program \"program\": argv names no program"), std::string::npos);
  EXPECT_NE(refusal({.argv = {"true"}, .environment = {{"A=B", "c"}}}).find("\"A=B\" with the value \"c\""),
            std::string::npos);
  EXPECT_NE(refusal({.argv = {"true"}, .stopSignal = 1000}).find("1000 is no signal"), std::string::npos);
}

TEST_F(ProgramTest, IsStoppedByItsSignalAndKilledWhereItIgnoresThat) {
  const Ended ended = runApp(
      [](troupe::App& app) {
        auto polite = running("trap 'echo bye; exit 0' USR1; echo ready; while :; do sleep 0.01; done");
        polite.stopSignal = SIGUSR1;
        polite.errors = StreamTo::nowhere;
        app.add<Program>("polite", polite);
        auto stubborn = running("trap '' TERM; echo ready; while :; do sleep 0.01; done");
        stubborn.stopWithin = 100ms;
        stubborn.child.restart = Restart::permanent;
        app.add<Program>("stubborn", stubborn);
      },
      [](Self& self) -> Task<> {
        auto polite = co_await self.find<Program>("polite");
        EXPECT_EQ(co_await lineOf(polite), "ready");
        self.spawn([](Program program) -> Task<> {
          Board::shared().note("then " + co_await lineOf(program));
          const ExitReason end = co_await program.wait();
          Board::shared().note("and " + end.toString());
        }(polite));
        co_await polite.signal(SIGCONT);  // so the reader is waiting by now
        co_await self.supervisor().stop("polite");
        const auto told = [] { return Board::shared().notesAfter("and ").size() == 1; };
        co_await until(self, "the reader is told", told);
        EXPECT_EQ(Board::shared().notes(), (std::vector<std::string>{"then bye", "and stopped"}));
        auto stubborn = co_await self.find<Program>("stubborn");
        EXPECT_EQ(co_await lineOf(stubborn), "ready");
        auto monitor = self.monitor(stubborn);
        co_await self.supervisor().stop("stubborn");
        const troupe::Down down = co_await monitor.next();
        EXPECT_EQ(down.reason.kind, ExitKind::stopTimeout) << down.reason.toString();
        EXPECT_NE(down.reason.text.find("/bin/sh did not end within 100 ms of SIGTERM"), std::string::npos)
            << down.reason.text;
        co_await allGone(self);
      });
  EXPECT_NE(ended.err.find("did not stop in order"), std::string::npos) << ended.err;
}

TEST_F(ProgramTest, ASignalReachesTheCommand) {
  runApp([](troupe::App& app) { app.add<Program>("sleeper", running("exec sleep 1000")); },
         [](Self& self) -> Task<> {
           auto sleeper = co_await self.find<Program>("sleeper");
           EXPECT_EQ((co_await errorOf(sleeper.signal(0))).kind(), ErrorKind::refused);
           co_await sleeper.signal(SIGHUP);
           EXPECT_EQ((co_await sleeper.wait()).toString(), "killed by SIGHUP");
           EXPECT_EQ((co_await errorOf(sleeper.signal(SIGHUP))).kind(), ErrorKind::gone);
         });
}

TEST_F(ProgramTest, TheMemoryLimitOfItsActorIsThatOfTheCommand) {
  constexpr std::size_t kLimit = std::size_t{100} << 40;  // more than a sanitizer takes
  runApp(
      [](troupe::App& app) {
        auto spec = running("ulimit -d");
        spec.child.limits.memory = kLimit;
        app.add<Program>("limited", spec);
      },
      [](Self& self) -> Task<> {
        auto limited = co_await self.find<Program>("limited");
        EXPECT_EQ(co_await lineOf(limited), std::to_string(kLimit >> 10));
      });
}

// --- Run to the end ---

TEST_F(ProgramTest, CommunicateGivesInputAndTakesOutputErrorsAndReason) {
  runApp([](troupe::App&) {},
         [](Self& self) -> Task<> {
           const CommandSpec count{.argv = {"wc", "-l"}, .within = 100s};
           const Finished counted = co_await troupe::communicate(self, count, "one\ntwo\n");
           EXPECT_TRUE(counted.ok()) << counted.reason.toString();
           EXPECT_EQ(std::stoi(counted.output), 2);
           const CommandSpec failing = command("echo out; echo err >&2; exit 4");
           const Finished failed = co_await troupe::communicate(self, failing);
           EXPECT_EQ(failed.output, "out\n");
           EXPECT_EQ(failed.errors, "err\n");
           EXPECT_EQ(failed.reason.toString(), "exited with code 4");
           const CommandSpec hearsNothing = command("exit 0");
           const Finished deaf = co_await troupe::communicate(self, hearsNothing, std::string(1 << 20, 'x'));
           EXPECT_TRUE(deaf.ok()) << "it need not read its input";
           const CommandSpec missing{.argv = {"no-such-program"}};
           const Error none = co_await errorOf(troupe::communicate(self, missing));
           EXPECT_EQ(none.kind(), ErrorKind::system);
           EXPECT_EQ(none.systemError(), ENOENT);
           EXPECT_NE(none.message().find("cannot run no-such-program"), std::string::npos) << none.what();
           const CommandSpec empty{.argv = {}};
           EXPECT_EQ((co_await errorOf(troupe::communicate(self, empty))).kind(), ErrorKind::invalid);
         });
}

TEST_F(ProgramTest, ACommandGetsACleanProcessItsEnvironmentAndItsDirectory) {
  runApp(
      [](troupe::App&) {},
      [](Self& self) -> Task<> {
        CommandSpec spec =
            command("grep -E 'Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd; pwd; echo \"$A:$HOME\"");
        spec.environment.emplace_back("A", "b c");
        spec.environment.emplace_back("PATH", "/bin:/usr/bin");
        spec.inheritEnvironment = false;
        spec.directory = "/usr/bin";
        const Finished done = co_await troupe::communicate(self, spec);
        EXPECT_EQ(done.output,
                  "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n0\n1\n2\n3\n/usr/bin\nb c:\n")
            << "(3 is the folder that ls reads) " << done.errors;
        const CommandSpec alone = command(
            "test -n \"$PATH\" && set -- $(cut -d' ' -f1,5,6 /proc/$$/stat) && test $1 = $2 && test $1 = $3");
        const Finished leads = co_await troupe::communicate(self, alone);
        EXPECT_TRUE(leads.ok()) << "its process group, and its session";
      });
}

TEST_F(ProgramTest, AnActorWithThreadsMayRunCommands) {
  runApp([](troupe::App&) {},
         [](Self& self) -> Task<> {
           std::atomic<bool> over = false;
           std::thread other([&] {
             while (!over) delete new std::string(100, 'x');
           });
           const CommandSpec count{.argv = {"wc", "-c"}, .within = 100s};
           // Sanitizers keep what the thread frees, which makes each fork slow.
           for (int i = 0; i < (kSanitized ? 5 : 50); ++i) {
             const Finished done = co_await troupe::communicate(self, count, "abc");
             EXPECT_EQ(std::stoi(done.output), 3);
           }
           over = true;
           other.join();
         });
}

TEST_F(ProgramTest, CommunicateKillsWhatRunsTooLongAndWhatWritesTooMuch) {
  runApp([](troupe::App&) {},
         [](Self& self) -> Task<> {
           CommandSpec slow = command(kFamily);
           slow.within = 200ms;
           const Error late = co_await errorOf(troupe::communicate(self, slow));
           EXPECT_EQ(late.kind(), ErrorKind::timedOut);
           EXPECT_NE(late.message().find(
                         "running /bin/sh from /main: it had not ended within 200 ms, and was killed"),
                     std::string::npos)
               << late.what();
           EXPECT_EQ(marked().size(), 0U);
           CommandSpec loud = command("yes");
           loud.mostBytes = 100'000;
           const Error much = co_await errorOf(troupe::communicate(self, loud));
           EXPECT_EQ(much.kind(), ErrorKind::overloaded);
           EXPECT_NE(much.message().find("more than 100000 bytes"), std::string::npos) << much.what();
           EXPECT_EQ(marked().size(), 0U);
           {
             auto given_up = troupe::communicate(self, command(kFamily));
             given_up.resume();
             co_await becomeMarked(self, 3);
           }
           co_await allGone(self);
         });
}

TEST_F(ProgramTest, AHundredMegabytesComeThrough) {
  runApp([](troupe::App&) {},
         [](Self& self) -> Task<> {
           CommandSpec zeros{.argv = {"head", "-c", "104857600", "/dev/zero"}, .mostBytes = 200 << 20};
           const Finished done = co_await troupe::communicate(self, zeros);
           EXPECT_EQ(done.output.size(), 104857600U);
           std::string bytes;
           for (int i = 0; i < 20'000'000; ++i) bytes += static_cast<char>(i * 13 + i / 256);
           const CommandSpec cat{.argv = {"cat"}};
           const Finished back = co_await troupe::communicate(self, cat, bytes);
           EXPECT_TRUE(back.output == bytes);
         });
}

TEST_F(ProgramTest, AThousandRunsLeaveNoDescriptorAndNoProcess) {
  runApp([](troupe::App&) {},
         [](Self& self) -> Task<> {
           const CommandSpec nothing{.argv = {"true"}, .environment = theMark()};
           static_cast<void>(co_await troupe::communicate(self, nothing));
           const std::size_t before = openDescriptors();
           for (unsigned i = mostKills(1000); i > 0; --i) {
             const Finished done = co_await troupe::communicate(self, nothing);
             EXPECT_TRUE(done.ok());
           }
           EXPECT_EQ(openDescriptors(), before);
           EXPECT_EQ(childrenOf(::getpid()).size(), 0U);
           EXPECT_EQ(marked().size(), 0U);
         });
}

}  // namespace tests
