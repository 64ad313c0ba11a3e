#include <troupe/spec.h>

#include <troupe/error.h>

namespace troupe {

void ShortText::tooLong(std::string_view text) {
  throw Error(ErrorKind::invalid, "a name or id has " + std::to_string(text.size()) +
                                      " bytes, and can have " + std::to_string(kLongest) + " at most: \"" +
                                      std::string(text.substr(0, 40)) + "...\"");
}

}  // namespace troupe
