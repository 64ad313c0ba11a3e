// Foreign commands of a test, known by a variable of their environment wherever in the tree they are.
#pragma once

#include <troupe/program.h>

#include <set>
#include <string>
#include <vector>

#include "tests/support/puppet.h"

namespace tests {

// No command is left of another test.
class CommandsTest : public AppTest {
 protected:
  void SetUp() override;
};

// All that a test starts inherits it, and nothing else has it. To be asked for first in the test program itself.
troupe::Environment theMark();
// The processes that have it now.
std::set<int> marked();
troupe::Task<> allGone(troupe::Self& self);
troupe::Task<> becomeMarked(troupe::Self& self, std::size_t count);

// Of the shell, with the mark; the first is temporary.
troupe::ProgramSpec running(const std::string& script);
troupe::CommandSpec command(const std::string& script);
// Has a child in its group, and one that has left it for a session of its own.
inline constexpr const char* kFamily = "sleep 1000 & setsid sleep 1000 & echo ready; wait";

// "(end)" where there is none.
troupe::Task<std::string> lineOf(troupe::Program program);

}  // namespace tests
