// The errors of Troupe, named by what the caller should do about them.
//
// Thrown as exceptions, also out of a co_await. what() is a whole sentence: what was being done, to which actor, and which
// value was wrong. docs/errors.md lists every kind with its remedy.
#pragma once

#include <troupe/exit_reason.h>

#include <cstdint>
#include <exception>
#include <string>

namespace troupe {

enum class ErrorKind : std::uint16_t {
  timedOut,    // the deadline passed: try again, or give more time
  gone,        // no such actor, or it has stopped for good: find another
  crashed,     // the callee died with the call in hand; exitReason() tells of what
  refused,     // the handler said no, with its text
  overloaded,  // no room: slow down, or co_await
  invalid,     // an argument, option, schema or message is wrong: mend the program
  system,      // the operating system said no; systemError() is its errno
};

const char* toString(ErrorKind kind);

class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message);

  static Error crashed(std::string message, ExitReason reason);
  static Error gone(std::string message, ExitReason reason);
  // Appends what errno means; for EMFILE and ENFILE also which limit was hit, and its value.
  static Error system(std::string message, int error);
  // As it was made in another process: the parts as they are.
  static Error restored(ErrorKind kind, std::string message, ExitReason reason, int systemError);

  ErrorKind kind() const { return kind_; }
  const char* what() const noexcept override { return message_.c_str(); }
  const std::string& message() const { return message_; }
  // Meaningful with `crashed`, and with `gone` where the actor existed once.
  const ExitReason& exitReason() const { return reason_; }
  // errno with `system`, else 0.
  int systemError() const { return systemError_; }

 private:
  ErrorKind kind_;
  std::string message_;
  ExitReason reason_;
  int systemError_ = 0;
};

}  // namespace troupe
