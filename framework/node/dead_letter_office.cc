#include "node/dead_letter_office.h"

#include <troupe/error.h>

#include <array>
#include <cstdio>
#include <ctime>

#include "os/file.h"

namespace troupe::node {

namespace {

// "20260131T235959.123": by their names files lie in the order of time, and those of an earlier run stay.
std::string stampOf(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count() % 1000;
  std::tm parts = {};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text = {};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%S", &parts);
  std::snprintf(text.data() + size, text.size() - size, ".%03d", static_cast<int>(ms));
  return text.data();
}

}  // namespace

void DeadLetterOffice::take(wire::Letter letter) {
  letter.number = letters_.nextNumber();
  letter.time = std::chrono::system_clock::now();
  wire::describeMessage(letter);
  if (setup_.methodName) letter.methodName = setup_.methodName(letter.interfaceId, letter.method);
  if (!setup_.folder.empty()) save(letter);
  letters_.add(std::move(letter));
}

void DeadLetterOffice::save(const wire::Letter& letter) {
  try {
    os::makeFolder(setup_.folder);
    os::writeWholeFile(setup_.folder + "/" + setup_.app + "-" + stampOf(letter.time) + "-" +
                           std::to_string(letter.number) + ".letter",
                       wire::encodeLetter(letter), os::ToDisk::later);
  } catch (const Error& error) {
    setup_.warn("a dead letter of " + letter.path + " is kept in memory alone: " + error.message());
  }
}

}  // namespace troupe::node
