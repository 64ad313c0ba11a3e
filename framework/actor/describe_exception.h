// The message of any exception, for people.
#pragma once

#include <exception>
#include <string>

namespace troupe::actor {

std::string describe(std::exception_ptr exception);

}  // namespace troupe::actor
