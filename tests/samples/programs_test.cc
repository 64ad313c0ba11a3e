// The samples that run to their end.
#include <gtest/gtest.h>

#include "tests/support/program.h"

namespace tests {
namespace {

void expectEnd(Program& program, int code) {
  const auto end = program.waitForEnd();
  ASSERT_TRUE(end) << describe(program.processes());
  EXPECT_FALSE(end->signaled);
  EXPECT_EQ(end->code, code) << program.errors();
  EXPECT_EQ(describe(program.leftovers()), "");
  EXPECT_EQ(describe(program.orphans()), "") << "processes outlived the root";
}

// What follows the label in its line.
std::string valueOf(const std::string& text, const std::string& label) {
  const auto at = text.find(label);
  if (at == std::string::npos) return "no such line";
  const auto value = text.find_first_not_of(' ', at + label.size());
  return text.substr(value, text.find('\n', value) - value);
}

TEST(SamplesTest, HelloGreets) {
  Program hello(samplePath("hello"));

  expectEnd(hello, 0);

  EXPECT_EQ(hello.output(),
            "Hello, Ada, for time number 1\n"
            "Hello, Ada, for time number 2\n"
            "Hello, Ada, for time number 1\n");
  EXPECT_EQ(hello.errors(), "");
}

TEST(SamplesTest, ProducerIsSlowedDownAndNoDishIsLost) {
  Program kitchen(samplePath("producer_consumer"));

  expectEnd(kitchen, 0);

  EXPECT_EQ(kitchen.output(),
            "cooked 20000 dishes, eaten 20000; the cook had to wait for the customer now and then\n");
  EXPECT_EQ(kitchen.errors(), "");
}

TEST(SamplesTest, KitchenServesEachDishToOneWhoLivesToEatIt) {
  Program kitchen(samplePath("kitchen"));

  expectEnd(kitchen, 0);

  const std::string& text = kitchen.errors();
  for (const char* dish : {"apple 1 of dream", "apple 2 of dream", "apple 3 of dream", "pear 1 of lucy",
                           "pear 2 of lucy, which another has left", "pear 3 of lucy"}) {
    const std::string line = std::string(" eats ") + dish + "\n";
    const auto at = text.find(line);
    EXPECT_NE(at, std::string::npos) << dish << " in:\n" << text;
    EXPECT_EQ(text.find(line, at + 1), std::string::npos) << dish << " in:\n" << text;
  }
  EXPECT_NE(kitchen.errors().find("killed by SIGABRT"), std::string::npos);
}

TEST(SamplesTest, SharedCounterIsExactThoughAWorkerIsKilled) {
  Program counter(samplePath("shared_counter"));

  expectEnd(counter, 0);

  EXPECT_EQ(counter.output(),
            "and: 8\ncat: 6\ndog: 5\nmouse: 3\nran: 2\nrun: 1\nsaw: 5\nthe: 14\n"
            "44 words are in the dictionary, 44 were counted, of 44\n");
  EXPECT_NE(counter.errors().find("killed by SIGKILL"), std::string::npos) << counter.errors();
}

TEST(SamplesTest, BankLosesAndMakesNoMoney) {
  Program bank(samplePath("bank"));

  expectEnd(bank, 0);

  EXPECT_EQ(bank.output(), "after many transfers and many kills the balances add up to 8000 of 8000\n");
}

TEST(SamplesTest, DemonstrationShowsThatKillsCostNobodyElseAnything) {
  Program demo(samplePath("echo_demo"), {"--seconds", "2", "--clients", "50"});

  expectEnd(demo, 0);

  const std::string& text = demo.output();
  EXPECT_NE(text.find("/echo/1"), std::string::npos) << text;
  EXPECT_EQ(valueOf(text, "errors of other clients:"), "0") << text;
  EXPECT_EQ(valueOf(text, "server whole again:"), "yes") << text;
  EXPECT_NE(valueOf(text, "workers killed:"), "0") << text;
  EXPECT_EQ(demo.errors(), "");
}

TEST(SamplesTest, DemonstrationTellsWhatItCannotDo) {
  Program demo(samplePath("echo_demo"), {"--clients", "0"});

  expectEnd(demo, 2);

  EXPECT_NE(demo.errors().find("--clients"), std::string::npos) << demo.errors();
}

}  // namespace
}  // namespace tests
