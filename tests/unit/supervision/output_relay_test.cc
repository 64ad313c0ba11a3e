// Lines of a process's own, where its standard error takes nothing for a while.
#include "supervision/output_relay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "loop/loop.h"
#include "os/fd.h"
#include "os/output.h"

namespace tests {

using troupe::supervision::OutputRelay;

namespace {

// Its write end stands for standard error; nobody reads it but these tests.
class OutputRelayTest : public testing::Test {
 protected:
  // More lines than are kept. Their number.
  std::size_t writeTooMuch() {
    const std::string line(1000, 'x');
    const std::size_t lines = 2 * OutputRelay::kMaxOwn / line.size();
    for (std::size_t i = 0; i < lines; ++i) relay_.writeLine(line);
    return lines;
  }
  // As much as there is room for, and not waiting for more.
  void writeOnce() { relay_.finish(troupe::loop::Clock::now()); }
  std::string readAll() {
    char buffer[4096];
    std::string all;
    for (long bytes; (bytes = troupe::os::readOutput(pipe_.reader.get(), buffer, sizeof buffer)) > 0;)
      all.append(buffer, static_cast<std::size_t>(bytes));
    return all;
  }
  static std::size_t linesIn(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  static std::string notice(std::size_t dropped) {
    return "\n(" + std::to_string(dropped) + " lines were dropped here: no room)\n";
  }

  troupe::loop::Loop loop_;
  troupe::os::OutputPipe pipe_ = troupe::os::makeOutputPipe();
  OutputRelay relay_{loop_, pipe_.writer.get()};
};

TEST_F(OutputRelayTest, LinesThatFoundNoRoomAreCountedThoughNoOtherFollows) {
  const std::size_t written = writeTooMuch();
  std::string all;
  troupe::loop::Poll reader(loop_, pipe_.reader.get(), troupe::loop::Interest::readable, [&](bool, bool) {
    all += readAll();
    if (all.find("dropped here") != all.npos) loop_.stop();
  });
  troupe::loop::Timer deadline(loop_, [this] { loop_.stop(); });
  deadline.startIn(std::chrono::minutes(1));
  loop_.run();
  EXPECT_TRUE(all.ends_with(notice(written + 1 - linesIn(all)))) << all.substr(all.size() - 100);
}

TEST_F(OutputRelayTest, TheNumberOfThoseThatWereDroppedStandsInTheirPlace) {
  const std::size_t written = writeTooMuch();
  std::string all = readAll();
  writeOnce();
  relay_.writeLine("the next");
  for (; all.find("the next\n") == all.npos; all += readAll()) writeOnce();
  EXPECT_TRUE(all.ends_with(notice(written + 2 - linesIn(all)) + "the next\n"));
}

}  // namespace

}  // namespace tests
