// The chaos tests at full length: each program once more, with longer times, more rounds and more actors than
// every day.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/support/program.h"

namespace tests {
namespace {

constexpr std::chrono::minutes kLong{60};

class FullChaosTest : public testing::TestWithParam<const char*> {};

TEST_P(FullChaosTest, Passes) {
  ::setenv("TROUPE_CHAOS_SECONDS", "20", 0);
  ::setenv("TROUPE_CHAOS_ROUNDS", "200", 0);
  ::setenv("TROUPE_SCALE", "2000", 0);

  Program test((std::filesystem::path(ownPath()).parent_path() / GetParam()).string());
  const auto end = test.waitForEnd(kLong);

  std::printf("%s%s", test.output().c_str(), test.errors().c_str());
  ASSERT_TRUE(end);
  EXPECT_FALSE(end->signaled);
  EXPECT_EQ(end->code, 0);
}

INSTANTIATE_TEST_SUITE_P(Chaos, FullChaosTest,
                         testing::Values("chaos_echo", "chaos_killing", "chaos_calls", "chaos_scale"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace tests
