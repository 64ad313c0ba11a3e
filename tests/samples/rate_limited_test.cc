// The sample rate_limited: the limit holds, though one dies who counts.
#include <gtest/gtest.h>

#include "tests/support/program.h"

namespace tests {
namespace {

TEST(RateLimitedTest, NoMoreThanTwoFetchAtOnceThoughOneDiesAndAllIsFetched) {
  Program program(samplePath("rate_limited"));

  const auto end = program.waitForEnd();
  ASSERT_TRUE(end) << describe(program.processes());
  EXPECT_EQ(end->code, 0) << program.errors();
  EXPECT_EQ(describe(program.leftovers()), "");

  const std::string& text = program.output();
  for (int i = 1; i <= 12; ++i) {
    const std::string line = "fetched page " + std::to_string(i) + "\n";
    const auto at = text.find(line);
    EXPECT_NE(at, std::string::npos) << line << " in:\n" << text;
    EXPECT_EQ(text.find(line, at + 1), std::string::npos) << line << " in:\n" << text;
  }
  EXPECT_NE(text.find("all is fetched, at most 2 pages at once\n"), std::string::npos) << text;
  EXPECT_NE(program.errors().find("killed by SIGABRT"), std::string::npos) << program.errors();
}

}  // namespace
}  // namespace tests
