// A dead letter that was saved, run once more through its actor.
#include <csignal>

#include "tests/support/client_fixture.h"

namespace tests {
namespace {

class ReplayTest : public ClientTest {
 protected:
  Program::End replay(int number, bool mended) {
    const auto shop = openShop("letters");
    const std::string file = saved(number);
    Program again(ownPath(), {"shop", "", "--troupe-replay", file},
                  // A sanitizer would make an exit code of the signal.
                  {mended ? "MENDED=1" : "ASAN_OPTIONS=handle_segv=0"});
    const auto end = again.waitForEnd();
    again.waitUntil([] { return true; });
    output_ = again.output();
    errors_ = again.errors();
    return end.value_or(Program::End{});
  }
  std::string output_;
  std::string errors_;
};

TEST_F(ReplayTest, TheCrashHappensAgainInTheForeground) {
  const auto end = replay(1, false);
  EXPECT_TRUE(end.signaled);
  EXPECT_EQ(end.code, SIGSEGV);
  EXPECT_NE(errors_.find("replaying dead letter 1: Till.pay of /till"), std::string::npos) << errors_;
}

TEST_F(ReplayTest, AnExceptionIsPrinted) {
  const auto end = replay(2, false);
  EXPECT_EQ(end.code, 1);
  EXPECT_EQ(output_, "exception: a bad note\n");
}

TEST_F(ReplayTest, OfAMendedProgramPrintsTheReply) {
  const auto end = replay(1, true);
  EXPECT_FALSE(end.signaled);
  EXPECT_EQ(end.code, 0);
  EXPECT_EQ(output_, "reply: (total = 105)\n") << errors_;
}

TEST_F(ReplayTest, TheEndOfACastIsSeenToo) {
  EXPECT_EQ(replay(2, true).code, 0);
  EXPECT_EQ(output_, "handled\n") << errors_;
}

TEST_F(ReplayTest, NobodyElseIsThereForTheHandler) {
  EXPECT_EQ(replay(3, true).code, 1);
  EXPECT_NE(output_.find("finding \"/till\": not available in a replay"), std::string::npos) << output_;
}

TEST_F(ReplayTest, ARefusalIsPrintedWithItsText) {
  EXPECT_EQ(replay(4, true).code, 0);
  EXPECT_EQ(output_, "refused: not today\n") << errors_;
}

TEST_F(ReplayTest, OfAFileThatIsNoLetterSaysSo) {
  for (const std::string& file : {std::string("/none"), std::string("/dev/null"), ownPath()}) {
    Program again(ownPath(), {"shop", "", "--troupe-replay", file});
    const auto end = again.waitForEnd();
    ASSERT_TRUE(end);
    EXPECT_EQ(end->code, 2);
    EXPECT_NE(again.errors().find("replaying " + file), std::string::npos) << again.errors();
  }
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) { return tests::runShopOrTests(argc, argv); }
