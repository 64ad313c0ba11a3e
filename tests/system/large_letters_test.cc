// Dead letters of large messages: kept whole, as long as there is room for it.
#include <algorithm>
#include <cstring>

#include "tests/support/arenas.h"
#include "tests/support/client_fixture.h"

namespace tests {
namespace {

constexpr double kMiB = 1 << 20;

class LargeLetters : public ClientTest {
 protected:
  static JsonValue list() { return json({"dead-letters", "shop"}); }
  static bool waitForLetters(Program& shop, int count) {
    return shop.waitUntil([&] { return list()["stored"].number() == count; });
  }
};

TEST_F(LargeLetters, AreKeptWholeAndShownByTheirSchema) {
  const auto shop = openShop("large");
  ASSERT_TRUE(waitForLetters(*shop, 6));

  const JsonValue letters = list()["letters"];
  ASSERT_EQ(letters.items.size(), 6U);
  for (const JsonValue& letter : letters.items) {
    EXPECT_GT(letter["messageBytes"].number(), kMiB);
    EXPECT_EQ(letter["lostBodyBytes"].number(), 0);
    EXPECT_EQ(letter["methodName"].text, "Till.note");
    EXPECT_EQ(letter["senderPath"].text, "/main");
  }
  const JsonValue shown = json({"dead-letters", "shop", "show", "1", "--schema", schema()});
  EXPECT_EQ(shown["parameters"]["text"].text, "bad" + std::string(1 << 20, 'x'));
  const std::string starts[] = {"bad", "bad", "good", "good", "good", "late"};
  for (int i = 0; i < 6; ++i) {
    const JsonValue each =
        json({"dead-letters", "shop", "show", std::to_string(i + 1), "--schema", schema()});
    EXPECT_EQ(each["parameters"]["text"].text, starts[i] + std::string(1 << 20, 'x'));
  }
  EXPECT_TRUE(shop->waitUntil([&] { return areEmpty(arenasOf(shop->pid())); })) << "they are copies";
}

TEST_F(LargeLetters, ResentAreHandledAgainWithTheirBodies) {
  const auto shop = openShop("large");
  ASSERT_TRUE(waitForLetters(*shop, 6));

  EXPECT_EQ(troupeSays({"dead-letters", "shop", "resend", "1"}).code, 0);

  ASSERT_TRUE(waitForLetters(*shop, 7)) << "it kills the till once more";
  const JsonValue letters = list()["letters"];
  ASSERT_EQ(letters.items.size(), 6U);
  EXPECT_EQ(letters[5]["senderPath"].text, "/main") << "whoever sent it first";
  EXPECT_EQ(letters[5]["reason"].text, "exception: a bad note");
  const JsonValue shown = json({"dead-letters", "shop", "show", "7", "--schema", schema()});
  EXPECT_EQ(shown["parameters"]["text"].text, "bad" + std::string(1 << 20, 'x'));
  EXPECT_TRUE(shop->waitUntil([&] { return areEmpty(arenasOf(shop->pid())); }));
}

TEST_F(LargeLetters, AreSavedToTheFolderAndReplayed) {
  const std::string folder = base_ / "letters";
  const auto shop = openShop("large", {"LETTERS=" + folder});
  ASSERT_TRUE(waitForLetters(*shop, 6));
  std::vector<std::string> files;
  for (const auto& each : fs::directory_iterator(folder)) files.push_back(each.path());
  std::ranges::sort(files);
  ASSERT_EQ(files.size(), 6U);
  const auto first =
      std::ranges::find_if(files, [](const auto& file) { return file.ends_with("-1.letter"); });
  ASSERT_NE(first, files.end());

  const JsonValue letter = json({"letter", *first, "--schema", schema()});
  EXPECT_EQ(letter["parameters"]["text"].text, "bad" + std::string(1 << 20, 'x'));
  for (const bool mended : {false, true}) {
    Program again(ownPath(), {"shop", "", "--troupe-replay", *first}, {mended ? "MENDED=1" : "AGAIN=1"});
    const auto end = again.waitForEnd();
    again.waitUntil([] { return true; });
    ASSERT_TRUE(end) << again.errors();
    EXPECT_EQ(end->code, mended ? 0 : 1) << again.errors();
    EXPECT_EQ(again.output(), mended ? "handled\n" : "exception: a bad note\n") << again.errors();
  }
}

TEST_F(LargeLetters, ForWhichThereIsNoRoomKeepTheirHeadsAndSaySo) {
  const auto shop = openShop("large", {"LETTER_BYTES=100000"});
  ASSERT_TRUE(waitForLetters(*shop, 6));

  const JsonValue letters = list()["letters"];
  ASSERT_EQ(letters.items.size(), 6U);
  EXPECT_EQ(list()["evicted"].number(), 0);
  for (const JsonValue& letter : letters.items) {
    EXPECT_GT(letter["lostBodyBytes"].number(), kMiB);
    EXPECT_LT(letter["messageBytes"].number(), 4096);
    EXPECT_EQ(letter["methodName"].text, "Till.note");
  }
  const Said table = troupeSays({"dead-letters", "shop"});
  EXPECT_NE(table.out.find(", not kept"), std::string::npos) << table.out;
  const Said shown = troupeSays({"dead-letters", "shop", "show", "1"});
  EXPECT_NE(shown.out.find("not kept: it did not fit"), std::string::npos) << shown.out;
  const Said resent = troupeSays({"dead-letters", "shop", "resend", "1"});
  EXPECT_EQ(resent.code, 1);
  EXPECT_NE(resent.err.find("its body is not kept"), std::string::npos) << resent.err;
  EXPECT_TRUE(shop->waitUntil([&] { return areEmpty(arenasOf(shop->pid())); }));
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "shop") == 0) return tests::runShop(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
