// An app to attach to: a till that some messages kill, as long as the environment does not say MENDED, and a few others.
#pragma once

#include <troupe/troupe.h>

#include <string>
#include <vector>

#include "tests/support/program.h"

namespace tests {

// Children of one supervisor, in the role "crowded": more than one control message can tell of.
inline constexpr unsigned kCrowd = 1200;
// A copy of the test program under this name fails to make a till.
inline constexpr const char* kFaulty = "faulty";
// The main of the test program in that role: "shop [letters | large | detached | crowded | unhurried]".
int runShop(int argc, char** argv);
// The main of a program that is such an app, or the tests of one.
int runShopOrTests(int argc, char** argv);

// One run of the command `troupe`, to its end.
struct Said {
  int code = -1;
  std::string out;
  std::string err;
};
std::string commandPath();
Said troupeSays(const std::vector<std::string>& arguments);

}  // namespace tests
