// The message of any exception, for people.
#pragma once

#include <exception>
#include <string>

namespace troupe::actor {

std::string describe(std::exception_ptr exception);
// Memory was asked for, and there was none.
bool isBadAlloc(std::exception_ptr exception);

}  // namespace troupe::actor
