// What the command prints: JSON, tables, sizes; and what it reads from /proc.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "cli/json.h"
#include "cli/process_usage.h"
#include "cli/table.h"
#include "os/limits.h"
#include "os/process.h"
#include "tests/support/json.h"

namespace troupe::cli {
namespace {

TEST(JsonTest, ADocumentHasCommasWhereTheyBelong) {
  Json json;
  json.object().field("a", std::uint32_t{1}).key("list").array();
  json.value("x").value(true).null().end().key("empty").object().end().end();
  EXPECT_EQ(json.text(), R"({"a":1,"list":["x",true,null],"empty":{}})");
}

TEST(JsonTest, TextOfAnyBytesIsEscapedAndStaysUtf8) {
  EXPECT_EQ(jsonText("a\"b\\c\n\x1b"), R"("a\"b\\c\u000a\u001b")");
  EXPECT_EQ(jsonText("\u00e4\u20ac\U0001F600"), "\"\u00e4\u20ac\U0001F600\"");
  EXPECT_EQ(jsonText("\xff\xc3(\xe2\x82"), R"("\ufffd\ufffd(\ufffd\ufffd")");
  EXPECT_EQ(jsonText("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")") << "half of a pair of surrogates";
  for (int byte = 0; byte < 256; ++byte)
    EXPECT_NO_THROW(tests::parseJson(jsonText(std::string(1, static_cast<char>(byte)))));
}

TEST(JsonTest, NumbersThatJsonDoesNotHaveAreNull) {
  Json json;
  json.array().value(std::nan("")).value(INFINITY).value(0.5).end();
  EXPECT_EQ(json.text(), "[null,null,0.5]");
}

TEST(TableTest, ColumnsAreAlignedAndControlCharactersAreSpaces) {
  Table table({"NAME", "PID"}, {1});
  table.add({"/till\x1b[2J", "1234567"});
  table.add({"/a", "5"});
  EXPECT_EQ(table.text(),
            "NAME           PID\n"
            "/till [2J  1234567\n"
            "/a               5\n");
}

TEST(TableTest, SizesAndTimesAreReadable) {
  EXPECT_EQ(sizeText(0), "0 B");
  EXPECT_EQ(sizeText(1023), "1023 B");
  EXPECT_EQ(sizeText(1536), "1.5 KiB");
  EXPECT_EQ(sizeText(std::uint64_t{16} << 20), "16.0 MiB");
  EXPECT_EQ(sizeText(~std::uint64_t{0}), "16777216.0 TiB");
  EXPECT_EQ(timeText(std::chrono::system_clock::time_point(std::chrono::milliseconds(1'600'000'000'007))),
            "2020-09-13 12:26:40.007 UTC");
  EXPECT_EQ(timeText(std::chrono::system_clock::time_point(std::chrono::seconds(-1))), "?");
}

TEST(TableTest, BytesAreShownAsHexdumpDoes) {
  const std::string text = "0123456789abcdef\x01z";
  EXPECT_EQ(hexText(std::as_bytes(std::span(text)), "  "),
            "  00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n"
            "  00000010  01 7a                                             |.z|\n");
}

TEST(ProcessUsageTest, IsReadAlsoWhereTheNameHasBracketsAndSpaces) {
  const auto usage = usageFrom("12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20", "1000 25 3 0 0 0 0\n");
  ASSERT_TRUE(usage);
  EXPECT_EQ(usage->rssBytes, 25 * os::pageBytes());
  EXPECT_DOUBLE_EQ(usage->cpuSeconds, 200 / os::ticksPerSecond());
}

TEST(ProcessUsageTest, OfNoProcessIsNothing) {
  EXPECT_FALSE(usageFrom("", ""));
  EXPECT_FALSE(usageFrom("12 (a) S 1 2", "1"));
  EXPECT_FALSE(usageOf(-5));
  EXPECT_TRUE(usageOf(os::processId()));
}

}  // namespace
}  // namespace troupe::cli
