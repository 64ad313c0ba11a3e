// What the command `troupe` sends to the actors of an app that runs, and sees of what they get.
#include <unistd.h>

#include <csignal>

#include "tests/support/depot.h"

namespace tests {
namespace {

class MessagesTest : public DepotTest {
 protected:
  // An answer that does not come in time. Where the machine is slow, the app itself may not have been found within the time either.
  static void expectLate(const std::string& actor) {
    for (int tenths = 2;; tenths *= 2) {
      const Said said = troupeSays({"--timeout", std::to_string(tenths / 10.0), "call", "depot", actor, "nap",
                                    "(milliseconds = 100000)"});
      if (said.code == 4 && tenths < 1000) continue;
      EXPECT_EQ(said.code, 1) << said.err;
      EXPECT_NE(said.err.find("calling Puppet.nap of " + actor), std::string::npos) << said.err;
      EXPECT_TRUE(said.out.empty()) << said.out;
      return;
    }
  }
};

// --- The command ---

TEST_F(MessagesTest, TheCommandCallsAndCasts) {
  const auto depot = openDepot();

  const Said called = troupeSays({"call", "depot", "/a", "echo", "(text = \"hello\")"});
  EXPECT_EQ(called.code, 0) << called.err;
  EXPECT_NE(called.out.find("(text = \"hello\")"), std::string::npos) << called.out;
  EXPECT_EQ(json({"call", "depot", "bee", "Puppet.echo", "(text = \"hello\")"})["text"].text, "hello");
  EXPECT_EQ(json({"call", "depot", "s/c", "who"})["path"].text, "/s/c") << "no parameters are none";
  const Said cast = troupeSays({"cast", "depot", "/a", "note", "(text = \"hello\")"});
  EXPECT_EQ(cast.code, 0) << cast.err;
  EXPECT_EQ(cast.out, "Puppet.note was cast to /a\n");
  EXPECT_EQ(json({"call", "depot", "/a", "who"})["handled"].number(), 3);
}

TEST_F(MessagesTest, EveryBadSendingIsAnErrorThatSaysWhatIsWrong) {
  const auto depot = openDepot();
  const auto expect = [](const std::vector<std::string>& arguments, int code, const std::string& words) {
    const Said said = troupeSays(arguments);
    EXPECT_EQ(said.code, code) << said.err;
    EXPECT_NE(said.err.find(words), std::string::npos) << said.err;
    EXPECT_TRUE(said.out.empty()) << said.out;
  };
  expect({"call", "depot", "/nobody", "echo"}, 1, "there is no actor /nobody of depot.");
  expect({"call", "depot", "/a", "dance"}, 2,
         "/a serves no method dance; it has Puppet.who, Puppet.echo, "
         "Puppet.note (a cast)");
  expect({"call", "depot", "/s", "echo"}, 2, "/s serves no method echo; it has none");
  expect({"call", "depot", "/a", "note", "()"}, 2, "is a cast, and has no results: say troupe cast");
  expect({"cast", "depot", "/a", "echo", "()"}, 2, "say troupe call");
  expect({"call", "depot", "/a", "echo", "(text = 7)"}, 2, "at byte 9, \"7\"");
  expect({"call", "depot", "/a", "echo", "(txt = \"x\")"}, 2, "at byte 2, \"txt\": Struct has no");
  expect({"call", "depot", "/a", "echo", "(text = "}, 2, "at its end: Parse error");
  expect({"call", "depot", "/a", "deny", "(text = \"not today\")"}, 1, "not today");
  expect({"call", "depot", "/a", "crash", "(how = \"segv\")"}, 1, "killed by SIGSEGV");
  expectLate("/b");
  expect({"call", "depot", "/a"}, 2, "METHOD");
  expect({"tap", "depot", "/s"}, 1, "it is a supervisor");
  expect({"tap", "depot", "/hands"}, 1, "tap one of them");
  expect({"tap", "depot", "/nobody"}, 1, "there is no actor /nobody");
}

// --- Looking on ---

class TapTest : public DepotTest {
 protected:
  static std::unique_ptr<Program> tap(const std::string& actor, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"tap", "depot", actor});
    auto tap = std::make_unique<Program>(commandPath(), more);
    EXPECT_TRUE(looksOn(*tap, 1)) << tap->errors();
    return tap;
  }
  // At that many processes, one after the other.
  static bool looksOn(Program& tap, unsigned times) {
    return tap.waitUntil([&] {
      unsigned found = 0;
      for (std::size_t at = 0; (at = tap.errors().find("looking on", at)) != std::string::npos; ++at) ++found;
      return found >= times;
    });
  }
};

TEST_F(TapTest, ShowsWhatAnActorGetsAndFromWhom) {
  const auto depot = openDepot();
  const auto looker = tap("/a");
  const auto client = Client::attach("depot");
  const auto a = client.find<Puppet>("/a");

  a.echo("hello");
  a.note("good evening");
  a.note(std::string(kMiB, 'x'));

  const auto first = looker->waitForLine("Puppet.echo");
  ASSERT_TRUE(first);
  EXPECT_NE(first->find("/client@" + std::to_string(::getpid())), std::string::npos) << *first;
  EXPECT_NE(first->find("(text = \"hello\")"), std::string::npos) << *first;
  const auto second = looker->waitForLine("Puppet.note, a cast");
  ASSERT_TRUE(second);
  EXPECT_NE(second->find("good evening"), std::string::npos) << *second;
  EXPECT_TRUE(looker->waitForLine("MiB)")) << "too large to be shown";
}

TEST_F(TapTest, GoesOnWithTheNextProcessOfTheActor) {
  const auto depot = openDepot();
  const auto looker = tap("/a");
  const auto client = Client::attach("depot");

  ::kill(pidOf("/a"), SIGKILL);

  ASSERT_TRUE(looksOn(*looker, 2)) << looker->errors();
  client.find<Puppet>("/a").within(5min).echo("again");
  EXPECT_TRUE(looker->waitForLine("again"));
}

TEST_F(TapTest, ASlowOneHoldsNobodyUpAndIsToldWhatItHasMissed) {
  const auto depot = openDepot();
  const auto looker = tap("/a");
  const auto client = Client::attach("depot");
  const auto a = client.find<Puppet>("/a").within(5min);
  looker->signal(SIGSTOP);

  for (int i = 0; i < 3000; ++i) a.note("a note that somebody is slow to read");
  EXPECT_EQ(echoOf(a, "soon answered"), "soon answered");
  looker->signal(SIGCONT);

  EXPECT_TRUE(depot->waitUntil([&] {
    a.echo("one more");
    looker->readFor(std::chrono::milliseconds(5));
    return looker->output().find(" not shown: they came too fast)") != std::string::npos;
  }));
}

TEST_F(TapTest, ADeadOneIsForgotten) {
  const auto depot = openDepot();
  const auto client = Client::attach("depot");
  const auto a = client.find<Puppet>("/a");
  a.echo("one of those whom it knows");
  const pid_t pid = pidOf("/a");
  const std::size_t before = descriptorsOf(pid);
  {
    const auto looker = tap("/a", {"--json", "--count", "1"});
    EXPECT_EQ(descriptorsOf(pid), before + 1);
    a.echo("hello");
    const auto line = looker->waitForLine("{");
    ASSERT_TRUE(line);
    EXPECT_EQ(parseJson(*line)["parameters"]["text"].text, "hello");
    EXPECT_EQ(looker->waitForEnd()->code, 0);
  }

  a.echo("hello");
  a.echo("hello");

  EXPECT_EQ(descriptorsOf(pid), before);
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) { return tests::runDepotOrTests(argc, argv); }
