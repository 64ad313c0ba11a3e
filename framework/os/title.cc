#include "os/title.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

namespace troupe::os {
namespace {

// The kernel lays the strings of the arguments and then those of the environment out in one row, and shows
// the first part of that row as the command line.
struct Place {
  char* begin = nullptr;
  char* argumentsEnd = nullptr;
  char* end = nullptr;
};
Place place;

// Extends `end` over `text` where that lies right behind it.
void extend(char*& end, char* text) {
  if (text == end) end = text + std::strlen(text) + 1;
}

char* copyOf(const char* text) {
  const std::size_t bytes = std::strlen(text) + 1;
  return static_cast<char*>(std::memcpy(new char[bytes], text, bytes));
}

// The copies live as long as the process: anybody may have kept a pointer out of getenv() by its end.
void moveEnvironment() {
  std::size_t count = 0;
  while (environ[count] != nullptr) ++count;
  char** copies = new char*[count + 1];
  for (std::size_t i = 0; i < count; ++i) copies[i] = copyOf(environ[i]);
  copies[count] = nullptr;
  environ = copies;
}

}  // namespace

void reserveTitle(int argc, char** argv) {
  if (argc < 1 || argv[0] == nullptr || place.begin != nullptr) return;
  place.begin = place.argumentsEnd = argv[0];
  const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
  for (char* argument : arguments) extend(place.argumentsEnd, argument);
  place.end = place.argumentsEnd;
  for (char** variable = environ; *variable != nullptr; ++variable) extend(place.end, *variable);

  moveEnvironment();
  for (char*& argument : arguments) argument = copyOf(argument);
  // The C library keeps pointers of its own into the name of the program, for its messages.
  program_invocation_name = arguments[0];
  char* slash = std::strrchr(arguments[0], '/');
  program_invocation_short_name = slash == nullptr ? arguments[0] : slash + 1;
}

void setTitle(const std::string& title) {
  if (place.begin != nullptr) {
    const auto room = static_cast<std::size_t>(place.end - place.begin) - 1;
    const std::size_t length = std::min(title.size(), room);
    std::memcpy(place.begin, title.data(), length);
    std::memset(place.begin + length, 0, room + 1 - length);
    // A byte other than 0 where the arguments end tells the kernel that here is a title, which ends at its
    // first 0.
    if (place.begin + length < place.argumentsEnd - 1) *(place.argumentsEnd - 1) = '.';
  }
  std::string_view name(title);
  name = name.substr(0, name.find(' '));
  if (name.size() > 15) name.remove_prefix(name.size() - 15);
  ::prctl(PR_SET_NAME, std::string(name).c_str());
}

}  // namespace troupe::os
