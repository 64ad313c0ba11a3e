// Lines of the log: what goes into a record comes out of it, and nothing that comes out ends or begins a line.
#include "wire/log_record.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "wire/utf8.h"

namespace troupe::wire {
namespace {

std::string allBytes() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(static_cast<char>(byte));
  return bytes;
}

bool hasControl(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; });
}

TEST(LogRecordTest, HoldsAnyBytesAndNoneOfThemEndsIt) {
  const std::string any = allBytes();
  std::string record = logHead(1'700'000'000'123'456'789, Level::warn, any);
  addLogText(record, any);
  addLogField(record, any, any, false);
  addLogField(record, "n", "-7", true);

  EXPECT_EQ(record.find('\n'), std::string::npos);
  EXPECT_EQ(record.find('\0'), std::string::npos);
  const auto read = readLogRecord(record);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->time, 1'700'000'000'123'456'789);
  EXPECT_EQ(read->level, Level::warn);
  EXPECT_EQ(read->path, any);
  EXPECT_EQ(read->text, any);
  ASSERT_EQ(read->fields.size(), 2U);
  EXPECT_EQ(read->fields[0].key, any);
  EXPECT_EQ(read->fields[0].value, any);
  EXPECT_FALSE(read->fields[0].plain);
  EXPECT_TRUE(read->fields[1].plain);
  EXPECT_FALSE(hasControl(humanLine(*read)));
  EXPECT_FALSE(hasControl(jsonLine(*read)));
}

TEST(LogRecordTest, WhatIsNoneIsShownAsSuchWhateverIsInIt) {
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random() % 60, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % 3 == 0 ? random() % 0x20 : random());
    if (i % 2 == 0)
      bytes =
          "123\x1f"
          "2\x1f" +
          bytes;
    const auto read = readLogRecord(bytes);
    const LogRecord shown = read ? *read : strangeRecord(bytes);
    EXPECT_FALSE(hasControl(humanLine(shown)));
    EXPECT_FALSE(hasControl(jsonLine(shown)));
  }
  EXPECT_FALSE(readLogRecord(""));
  EXPECT_FALSE(readLogRecord("a text"));
  EXPECT_FALSE(
      readLogRecord("1\x1f"
                    "9\x1f/a\x1ftext"))
      << "no such level";
}

TEST(LogRecordTest, LinesAreForHumansAndForPrograms) {
  const LogRecord record{.time = 1'700'000'000'123'456'789,
                         .path = "/till",
                         .text = "paid \"now\"",
                         .fields = {{"order", "7", true}, {"who", "Ada L", false}, {"odd", "07", true}}};
  EXPECT_EQ(jsonLine(record),
            R"({"time":"2023-11-14T22:13:20.123456Z","level":"info","actor":"/till","text":"paid \"now\"",)"
            R"("fields":{"order":7,"who":"Ada L","odd":"07"}})");
  EXPECT_EQ(humanLine(record).substr(20), R"(123 info /till: paid "now" order=7 who="Ada L" odd=07)");
}

TEST(LogRecordTest, TextIsCutBetweenCharacters) {
  EXPECT_EQ(fittingStart("a\xc3\xa4"
                         "b",
                         2),
            "a");
  EXPECT_EQ(fittingStart("a\xc3\xa4"
                         "b",
                         3),
            "a\xc3\xa4");
  EXPECT_EQ(fittingStart("\n\n", 6), "\n") << "as wide as it is shown at most";
  EXPECT_EQ(fittingStart("abc", 9), "abc");
  EXPECT_EQ(logWidth("a\xff\xc2\x9b"), 13U);
}

TEST(LogRecordTest, CharactersAreThoseOfUtf8AndNoOthers) {
  for (const char* text :
       {"\x80", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88", "\xc3"}) {
    std::string_view rest = text;
    EXPECT_FALSE(takeCharacter(rest).valid) << text;
  }
  std::string_view emoji =
      "\xf0\x9f\x8d\x8e"
      "!";
  EXPECT_EQ(takeCharacter(emoji).code, 0x1f34eU);
  EXPECT_EQ(emoji, "!");
}

}  // namespace
}  // namespace troupe::wire
