// An app of stations that pass messages on, in which somebody is killed or replaced; and whether each message was handled
// once all the same, or is the one that was in hand; what is kept, sent on and answered agrees with it; and no large
// message stays in memory.
//
// main -> /middle -> /sink, and /middle -> /sleeper, which does not read before the end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "os/kill_point.h"

namespace tests {

// firstLarge: some of those that go to the sleeper.
enum class Size : std::uint8_t { small, large, firstLarge, mebibyte };

// What becomes of the messages of one life of the app.
struct Plan {
  std::string kills = {};  // as TROUPE_KILL_AT says them
  unsigned retries = 0;
  std::uint32_t messages = 160;
  std::size_t textBytes = 20;  // of small ones
  Size size = Size::small;
  bool whispers = true;  // some messages go to the sleeper as well
  bool guest = false;    // and to /guest, which goes for good with most of them unread
  // Programs that /middle and /sink are replaced by, one after the other: copies of this one.
  std::vector<std::string> images = {};

  unsigned deathsOf(const std::string& path) const;
  // Messages that may be lost by the death of `path`.
  std::size_t lost(const std::string& path) const { return retries > 0 ? 0 : deathsOf(path); }
};

// Lives through the plan, and fails the test where it does not come to all its deaths, or a message is lost.
void live(const Plan& plan);

// How it comes to a death of `path` at that point; without kills where it never does.
Plan killPlanFor(const std::string& point, const std::string& path, Size size);

// The names of the points of one part.
std::vector<std::string_view> killPointsOf(troupe::os::KillPart part);

// For main() of a test with images: true where this process is one of those, and has come to its end, with that code.
bool runAsImage(int argc, char** argv, int& code);
// The name of the file of the running program.
std::string imageName();

}  // namespace tests
