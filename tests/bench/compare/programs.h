// Programs that are compared, where they are installed or built.
#pragma once

#include <string>

namespace troupe::bench {

bool isProgram(const std::string& file);
// The program as PATH has it; empty where it hasn't.
std::string inPath(const std::string& name);

}  // namespace troupe::bench
