// How a command of `troupe` ends when it does not end well.
#pragma once

#include <stdexcept>
#include <string>

namespace troupe::cli {

// The exit codes of `troupe`; 0: it has done what was asked.
enum class ExitCode : int {
  refused = 1,   // the app could not do it: no such actor, no such letter, it could not be started, ...
  usage = 2,     // the command line makes no sense, or a file can't be read or written
  noApp = 3,     // no such app, or several of the name, or one that may not be attached to
  noAnswer = 4,  // the app has ended meanwhile, or does not answer
};

class Failure : public std::runtime_error {
 public:
  Failure(ExitCode code, const std::string& text) : std::runtime_error(text), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

}  // namespace troupe::cli
