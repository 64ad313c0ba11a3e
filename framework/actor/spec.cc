#include <troupe/spec.h>

#include <troupe/error.h>

namespace troupe {

void ShortText::tooLong(std::string_view text) {
  throw Error(ErrorKind::invalid, "a name or id has " + std::to_string(text.size()) +
                                      " bytes, and can have " + std::to_string(kLongest) + " at most: \"" +
                                      std::string(text.substr(0, 40)) + "...\"");
}

const char* toString(ChildState state) {
  switch (state) {
    case ChildState::stopped: return "stopped";
    case ChildState::starting: return "starting";
    case ChildState::running: return "running";
    case ChildState::restarting: return "restarting";
    case ChildState::stopping: return "stopping";
  }
  return "unknown";
}

}  // namespace troupe
