// The command `troupe` and the socket of a running app.
#include <sys/stat.h>

#include <algorithm>
#include <csignal>

#include "os/channel.h"
#include "tests/support/client_fixture.h"

namespace tests {
namespace {

// --- Actors ---

TEST_F(ClientTest, PsShowsEveryActorOfTheAppWithWhatItUses) {
  const auto shop = openShop();

  const auto all = actors();

  ASSERT_TRUE(all.contains("/") && all.contains("/till") && all.contains("/floor/clerk") &&
              all.contains("/main"));
  EXPECT_EQ(all.at("/")["pid"].number(), shop->pid());
  EXPECT_EQ(all.at("/till")["state"].text, "running");
  EXPECT_EQ(all.at("/till")["name"].text, "the-till");
  EXPECT_EQ(all.at("/till")["generation"].number(), 1);
  EXPECT_EQ(all.at("/till")["restarts"].number(), 0);
  EXPECT_GT(all.at("/till")["rssBytes"].number(), 0);
  EXPECT_EQ(all.at("/till")["cpuSeconds"].kind, 'n');
  EXPECT_EQ(all.at("/floor")["role"].text, "supervisor");
  EXPECT_EQ(all.at("/hands")["role"].text, "pool");
  EXPECT_EQ(all.at("/hands/2")["role"].text, "worker");
  EXPECT_EQ(all.at("/floor/guest:1")["state"].text, "running");
  const Said said = troupeSays({"ps", "shop"});
  EXPECT_NE(said.out.find("APP"), std::string::npos);
  EXPECT_NE(said.out.find("/floor/clerk"), std::string::npos) << said.out;
}

TEST_F(ClientTest, PsKnowsTheStatesOfAllChildrenOfACrowdedSupervisor) {
  const auto shop = openShop("crowded");
  EXPECT_NE(shop->output().find("crowd of " + std::to_string(kCrowd) + "\n"), std::string::npos)
      << shop->output();
  unsigned stopped = 0;
  for (const auto& [path, actor] : actors())
    stopped += path.starts_with("/crowd/") && actor["state"].text == "stopped" ? 1 : 0;
  EXPECT_EQ(stopped, kCrowd);
}

TEST_F(ClientTest, TreeShowsActorsBelowTheirSupervisors) {
  const auto shop = openShop();

  const Said said = troupeSays({"tree"});

  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("shop." + std::to_string(shop->pid()) + "\n"), std::string::npos) << said.out;
  EXPECT_NE(said.out.find("|   |-- clerk  (running"), std::string::npos) << said.out;
  const JsonValue trees = json({"tree", "shop"});
  const JsonValue& tree = trees["apps"][0]["tree"];
  EXPECT_EQ(tree["path"].text, "/");
  EXPECT_EQ(tree["children"][0]["path"].text, "/floor");
  EXPECT_EQ(tree["children"][0]["children"][0]["path"].text, "/floor/clerk");
}

TEST_F(ClientTest, AStoppedActorIsShownAsStoppedAndStartsAgainByRestart) {
  const auto shop = openShop();
  const auto before = actors();

  EXPECT_EQ(troupeSays({"stop", "shop", "/floor/clerk"}).code, 0);

  auto now = actors();
  EXPECT_EQ(now.at("/floor/clerk")["state"].text, "stopped");
  EXPECT_EQ(now.at("/floor/clerk")["pid"].number(), 0);
  EXPECT_EQ(now.at("/floor/clerk")["rssBytes"].kind, '0');

  const JsonValue restarted = json({"restart", "shop", "/floor/clerk"});
  now = actors();
  EXPECT_EQ(now.at("/floor/clerk")["state"].text, "running");
  EXPECT_EQ(now.at("/floor/clerk")["pid"].number(), restarted["pid"].number());
  EXPECT_EQ(now.at("/floor/clerk")["restarts"].number(), 1);
  EXPECT_EQ(now.at("/till")["pid"].number(), before.at("/till")["pid"].number()) << "left alone";
}

TEST_F(ClientTest, RestartStopsAnActorThatRunsAndStartsIt) {
  const auto shop = openShop();
  const auto before = actors().at("/till")["pid"].number();

  EXPECT_EQ(troupeSays({"restart", "shop", "/till"}).code, 0);

  EXPECT_NE(actors().at("/till")["pid"].number(), before);
  EXPECT_EQ(actors().at("/till")["state"].text, "running");
}

TEST_F(ClientTest, RestartWithAnImageReplacesAnActorByANewerProgram) {
  const auto shop = openShop();
  const auto before = actors().at("/till");

  const JsonValue upgraded = json({"restart", "shop", "/till", "--image", ownPath()});

  const auto now = actors();
  EXPECT_NE(now.at("/till")["pid"].number(), before["pid"].number());
  EXPECT_EQ(now.at("/till")["pid"].number(), upgraded["pid"].number());
  EXPECT_EQ(now.at("/till")["state"].text, "running");

  const Said failed = troupeSays({"restart", "shop", "/till", "--image", "/bin/false"});
  EXPECT_EQ(failed.code, 1);
  EXPECT_NE(failed.err.find("/bin/false"), std::string::npos) << failed.err;
  EXPECT_EQ(actors().at("/till")["pid"].number(), upgraded["pid"].number()) << "it goes on";
  EXPECT_EQ(troupeSays({"restart", "shop", "/till", "--image", "/no/such/file"}).code, 2);
}

TEST_F(ClientTest, AnActorWhoseUpgradeFailsIsShownAsRunningAgain) {
  const auto shop = openShop();
  const auto before = actors().at("/till");
  const std::string faulty = base_ / kFaulty;
  fs::copy_file(ownPath(), faulty);

  const Said failed = troupeSays({"restart", "shop", "/till", "--image", faulty});

  EXPECT_EQ(failed.code, 1);
  EXPECT_NE(failed.err.find("a newer fault"), std::string::npos) << failed.err;
  EXPECT_TRUE(shop->waitUntil([] { return actors().at("/till")["state"].text == "running"; }));
  EXPECT_EQ(actors().at("/till")["pid"].number(), before["pid"].number());
}

TEST_F(ClientTest, WhatWouldBeGoneForGoodIsNotRestarted) {
  const auto shop = openShop();
  for (const char* const path : {"/floor/guard", "/floor/guest:1"}) {
    const Said said = troupeSays({"restart", "shop", path});
    EXPECT_EQ(said.code, 1);
    EXPECT_NE(said.err.find("can't be restarted"), std::string::npos) << said.err;
    EXPECT_EQ(actors().at(path)["state"].text, "running");
  }
}

TEST_F(ClientTest, StopEndsTheWholeAppInOrderAndRemovesItsSocket) {
  const auto shop = openShop();
  ASSERT_TRUE(fs::exists(socketOf(*shop)));

  EXPECT_EQ(troupeSays({"stop", "shop"}).code, 0);

  const auto end = shop->waitForEnd();
  ASSERT_TRUE(end);
  EXPECT_FALSE(end->signaled);
  EXPECT_EQ(end->code, 0);
  EXPECT_TRUE(fs::is_empty(base_ / "run"));
}

// --- Which app ---

TEST_F(ClientTest, SeveralAppsOfOneNameAreToldApartByTheirPids) {
  const auto one = openShop();
  const auto two = openShop();

  const Said said = troupeSays({"stop", "shop", "/till"});

  EXPECT_EQ(said.code, 3);
  EXPECT_NE(said.err.find("shop." + std::to_string(one->pid())), std::string::npos) << said.err;
  EXPECT_NE(said.err.find("shop." + std::to_string(two->pid())), std::string::npos) << said.err;
  EXPECT_EQ(troupeSays({"stop", "shop." + std::to_string(two->pid())}).code, 0);
  EXPECT_TRUE(two->waitForEnd());
  EXPECT_EQ(troupeSays({"ps", "shop"}).code, 0) << "the other one is alone now";
}

TEST_F(ClientTest, EveryBadWishIsAnErrorThatSaysWhatIsWrong) {
  const auto shop = openShop();
  const auto expect = [](const std::vector<std::string>& arguments, int code, const std::string& words) {
    const Said said = troupeSays(arguments);
    EXPECT_EQ(said.code, code) << said.err;
    EXPECT_NE((said.err + said.out).find(words), std::string::npos) << said.err << said.out;
    EXPECT_TRUE(said.out.empty()) << said.out;
  };
  expect({"ps", "bakery"}, 3, "no app called \"bakery\" runs; these do: shop.");
  expect({"stop", "shop", "/nobody"}, 1, "child \"nobody\"");
  expect({"stop", "shop", "/nowhere/nobody"}, 1, "there is no supervisor /nowhere");
  expect({"stop", "shop", "/till/drawer"}, 1, "is an actor, and no supervisor");
  expect({"stop", "shop", "till"}, 2, "no path of an actor");
  expect({"restart", "shop", "/nobody"}, 1, "there is no actor /nobody of shop.");
  expect({"restart", "shop", "/nowhere/nobody"}, 1, "there is no supervisor /nowhere");
  for (const char* const seconds : {"-1", "0", "1e300", "nan", "soon"})
    expect({"--timeout", seconds, "ps"}, 2, "is no number of seconds from 0.001 to 1000000000");
  expect({"restart", "shop"}, 2, "PATH");
  expect({"dance"}, 2, "dance");
  expect({}, 2, "nothing to do was said");
  expect({"dead-letters", "shop", "dance"}, 2, "dance");
  expect({"dead-letters", "shop", "show", "7"}, 1, "there is no dead letter 7");
  expect({"dead-letters", "shop", "show", "x"}, 2, "x");
  expect({"dead-letters", "shop", "resend", "7"}, 1, "there is no dead letter 7");
  expect({"dead-letters", "shop", "purge", "7"}, 1, "there is no dead letter 7");
  expect({"letter", "/none"}, 2, "/none");
  expect({"letter", "/dev/null"}, 2, "no dead letter");
}

TEST_F(ClientTest, HelpSaysWhatTheExitCodesMean) {
  const Said said = troupeSays({"--help"});
  EXPECT_EQ(said.code, 0);
  EXPECT_NE(said.out.find("Exit codes: 0 done; 1"), std::string::npos) << said.out;
}

TEST_F(ClientTest, WhereNoAppRunsTheTableIsEmpty) {
  EXPECT_EQ(troupeSays({"ps"}).code, 0);
  EXPECT_TRUE(json({"tree"})["apps"].items.empty());
}

// --- Dead letters ---

TEST_F(ClientTest, WhatAnActorDiedOfIsListedWithItsReason) {
  const auto shop = openShop("letters");

  const JsonValue list = json({"dead-letters", "shop"});

  ASSERT_EQ(list["letters"].items.size(), 4U);
  EXPECT_EQ(list["stored"].number(), 4);
  EXPECT_EQ(list["evicted"].number(), 0);
  const JsonValue& pay = list["letters"][0];
  EXPECT_EQ(pay["path"].text, "/till");
  EXPECT_EQ(pay["senderPath"].text, "/main");
  EXPECT_EQ(pay["methodName"].text, "Till.pay");
  EXPECT_EQ(pay["call"].kind, 't');
  EXPECT_EQ(pay["reason"].text, "killed by SIGSEGV");
  EXPECT_EQ(pay["attempts"].number(), 1);
  EXPECT_EQ(list["letters"][1]["methodName"].text, "Till.note");
  EXPECT_EQ(list["letters"][1]["call"].kind, 'f');
  EXPECT_EQ(list["letters"][1]["reason"].text, "exception: a bad note");
  const Said said = troupeSays({"dead-letters", "shop", "list"});
  EXPECT_NE(said.out.find("Till.pay"), std::string::npos) << said.out;
  EXPECT_NE(said.out.find("4 kept"), std::string::npos) << said.out;
}

TEST_F(ClientTest, ALetterIsDecodedByItsSchema) {
  const auto shop = openShop("letters");

  const JsonValue letter = json({"dead-letters", "shop", "show", "1", "--schema", schema()});

  EXPECT_EQ(letter["parameters"]["cents"].number(), 5);
  EXPECT_EQ(letter["parameters"]["from"].text, "a thief");
  EXPECT_EQ(letter["parameters"]["kind"].text, "notes");
  EXPECT_EQ(letter["parameters"]["by"]["path"].text, "/till");
  const Said said = troupeSays({"dead-letters", "shop", "show", "1", "--schema", schema()});
  EXPECT_NE(said.out.find("from = \"a thief\""), std::string::npos) << said.out;
  EXPECT_NE(said.out.find("refers to /till (actor "), std::string::npos) << said.out;
  const Said bare = troupeSays({"dead-letters", "shop", "show", "1"});
  EXPECT_EQ(bare.code, 0);
  EXPECT_NE(bare.out.find("a thief"), std::string::npos) << "as bytes: " << bare.out;
  EXPECT_EQ(json({"dead-letters", "shop", "show", "1"})["parameters"].kind, '0');
}

TEST_F(ClientTest, ASchemaThatDoesNotFitOrIsNoneIsAnErrorThatSaysSo) {
  const auto shop = openShop("letters");
  const std::string other = sourcePath("tests/schemas/greeter.capnp");
  const Said wrong = troupeSays({"dead-letters", "shop", "show", "1", "--schema", other});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_NE(wrong.err.find("the schema has no interface 0x"), std::string::npos) << wrong.err;
  EXPECT_EQ(troupeSays({"dead-letters", "shop", "show", "1", "--schema", "/none.capnp"}).code, 2);
  EXPECT_EQ(troupeSays({"dead-letters", "shop", "show", "1", "--schema", ownPath()}).code, 2);
}

TEST_F(ClientTest, AResentLetterIsHandledAgainAndLeavesTheStore) {
  const auto shop = openShop("letters");

  // It kills the till once more, and so becomes a new letter.
  EXPECT_EQ(troupeSays({"dead-letters", "shop", "resend", "1"}).code, 0);

  EXPECT_TRUE(shop->waitUntil([] { return json({"dead-letters", "shop"})["stored"].number() == 5; }));
  const JsonValue list = json({"dead-letters", "shop"});
  ASSERT_EQ(list["letters"].items.size(), 4U);
  EXPECT_EQ(list["letters"][0]["number"].number(), 2);
  EXPECT_EQ(list["letters"][3]["number"].number(), 5);
  EXPECT_EQ(list["letters"][3]["methodName"].text, "Till.pay");
  EXPECT_EQ(list["letters"][3]["call"].kind, 'f') << "nobody waits for it any more";
}

TEST_F(ClientTest, LettersArePurgedOneByOneOrAll) {
  const auto shop = openShop("letters");
  EXPECT_EQ(json({"dead-letters", "shop", "purge", "2"})["purged"].number(), 1);
  EXPECT_EQ(json({"dead-letters", "shop"})["letters"].items.size(), 3U);
  EXPECT_EQ(json({"dead-letters", "shop", "purge"})["purged"].number(), 3);
  EXPECT_TRUE(json({"dead-letters", "shop"})["letters"].items.empty());
}

TEST_F(ClientTest, ASavedLetterIsShownFromItsFile) {
  const auto shop = openShop("letters");
  const std::string file = saved(1);
  const Said said = troupeSays({"letter", file, "--schema", schema()});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("a thief"), std::string::npos) << said.out;
  EXPECT_EQ(troupeSays({"dead-letters", "shop", "save", "1", base_ / "no/where"}).code, 2);
}

TEST_F(ClientTest, TheAppItselfSavesEachLetterWhereItIsToldTo) {
  const auto shop = openShop("letters", {"LETTERS=" + base_ / "letters"});
  std::vector<std::string> files;
  for (const auto& file : fs::directory_iterator(base_ / "letters")) files.push_back(file.path().string());
  std::sort(files.begin(), files.end());
  ASSERT_EQ(files.size(), 4U);
  EXPECT_NE(json({"letter", files[0]})["methodName"].text, "");
}

// --- The socket ---

TEST_F(ClientTest, TheSocketIsItsUsersAlone) {
  const auto shop = openShop();
  struct stat status = {};
  ASSERT_EQ(::stat(socketOf(*shop).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  ASSERT_EQ(::stat((base_ / "run").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
}

TEST_F(ClientTest, NoProcessOfTheTreeInheritsIt) {
  const auto shop = openShop();
  const auto client = connectTo(*shop);
  ASSERT_TRUE(client.valid());
  EXPECT_EQ(troupeSays({"restart", "shop", "/till"}).code, 0) << "forked while a client is there";
  // Pipes, memory files, channels to parents (which have no names): no socket that listens, none of a client's.
  for (const auto& [path, actor] : actors()) {
    if (path == "/") continue;
    std::size_t sockets = 0;
    for (const auto& fd : fs::directory_iterator("/proc/" + actor["pid"].text + "/fd")) {
      std::error_code gone;
      sockets += fs::read_symlink(fd.path(), gone).string().starts_with("socket:") ? 1 : 0;
    }
    // Its own control lane; main also has the listener and the standard input; supervisors one lane a child.
    EXPECT_LE(sockets, path == "/main" ? 3U : path == "/floor" ? 4U : path == "/hands" ? 3U : 1U) << path;
  }
}

TEST_F(ClientTest, GarbageCostsOnlyTheOneWhoSendsIt) {
  const auto shop = openShop();
  const auto good = connectTo(*shop);
  for (unsigned seed = 0; seed < 200; ++seed) {
    const auto client = connectTo(*shop);
    ASSERT_TRUE(client.valid());
    std::vector<std::byte> bytes(1 + seed * 37 % 3000);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(seed * 131 + i * i * 7);
    troupe::os::sendOn(client.get(), bytes);
  }
  EXPECT_EQ(actors().at("/till")["state"].text, "running");
  EXPECT_EQ(shop->processes().empty(), false);
}

TEST_F(ClientTest, OneThatNeverReadsIsDroppedAndOthersAreServed) {
  const auto shop = openShop();
  const auto deaf = connectTo(*shop);
  // An empty request: the actors. It asks on and on.
  const std::vector<std::byte> request(16);
  bool dropped = false;
  const bool over = shop->waitUntil([&] {
    for (int i = 0; i < 100 && !dropped; ++i)
      dropped = troupe::os::sendOn(deaf.get(), request) == troupe::os::ChannelState::closed;
    return dropped;
  });
  EXPECT_TRUE(over);
  EXPECT_EQ(actors().at("/till")["state"].text, "running");
}

TEST_F(ClientTest, WhereTooManyAttachTheFirstOnesGo) {
  const auto shop = openShop();
  std::vector<troupe::os::Fd> idle;
  for (int i = 0; i < 100; ++i) idle.push_back(connectTo(*shop));
  EXPECT_EQ(actors().at("/till")["state"].text, "running");
}

TEST_F(ClientTest, TheSocketOfAKilledRootIsRemovedByTheNextOne) {
  const auto killed = openShop();
  const std::string stale = socketOf(*killed);
  killed->signal(SIGKILL);
  killed->waitForEnd();
  killed->leftovers();
  ASSERT_TRUE(fs::exists(stale));

  const auto next = openShop();

  EXPECT_FALSE(fs::exists(stale));
  EXPECT_EQ(troupeSays({"ps", "shop"}).code, 0);
}

TEST_F(ClientTest, TheCommandRemovesItToo) {
  const auto killed = openShop();
  killed->signal(SIGKILL);
  killed->waitForEnd();
  killed->leftovers();

  EXPECT_EQ(troupeSays({"ps", "shop"}).code, 3);

  EXPECT_TRUE(fs::is_empty(base_ / "run"));
}

TEST_F(ClientTest, AnAppThatDoesNotWantItHasNoSocket) {
  const auto shop = openShop("detached");
  EXPECT_FALSE(fs::exists(base_ / "run"));
}

TEST_F(ClientTest, WhereThereCanBeNoSocketTheAppRunsAndWarns) {
  const auto shop = openShop("", {"TROUPE_RUNTIME_DIR=/proc/none"});
  EXPECT_TRUE(shop->waitUntil([&] { return shop->errors().find("can't attach") != std::string::npos; }));
  EXPECT_NE(shop->errors().find("/proc/none"), std::string::npos) << shop->errors();
}

TEST_F(ClientTest, AnAppThatHangsIsToldOfWithinTheTimeGiven) {
  const auto shop = openShop();
  shop->signal(SIGSTOP);

  const Said said = troupeSays({"--timeout", "1", "ps", "shop"});

  shop->signal(SIGCONT);
  EXPECT_EQ(said.code, 4);
  EXPECT_NE(said.err.find("has not answered within 1 s"), std::string::npos) << said.err;
}

TEST_F(ClientTest, WhereLettersAreAskedOfAnAppThatHangsTheCommandEndsByItself) {
  const auto shop = openShop();
  shop->signal(SIGSTOP);

  const Said said = troupeSays({"dead-letters", "shop"});

  shop->signal(SIGCONT);
  EXPECT_EQ(said.code, 4);
  EXPECT_NE(said.err.find("has not answered within 10 s"), std::string::npos) << said.err;
}

TEST_F(ClientTest, WhatIsStillStoppingAfterTheTimeGivenIsSaidToBe) {
  const auto shop = openShop("unhurried");
  const auto sloth = static_cast<pid_t>(actors().at("/sloth")["pid"].number());
  ASSERT_EQ(::kill(sloth, SIGSTOP), 0);

  const Said child = troupeSays({"--timeout", "1", "stop", "shop", "/sloth"});
  const Said app = troupeSays({"--timeout", "0.5", "stop", "shop"});

  ::kill(sloth, SIGCONT);
  EXPECT_EQ(child.code, 4);
  EXPECT_NE(child.err.find("/sloth of shop."), std::string::npos) << child.err;
  EXPECT_NE(child.err.find("is still stopping: it has not ended within 1 s"), std::string::npos) << child.err;
  EXPECT_EQ(app.code, 4);
  EXPECT_NE(app.err.find("is still stopping: it has not ended within 500 ms"), std::string::npos) << app.err;
  EXPECT_TRUE(shop->waitForEnd());
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) { return tests::runShopOrTests(argc, argv); }
