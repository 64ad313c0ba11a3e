#include <troupe/error.h>

#include <sys/resource.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

namespace troupe {
namespace {

// Which limit on open files was hit, and its value; empty for other errors.
std::string fileLimit(int error) {
  if (error == EMFILE) {
    rlimit limit = {};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
    return " (RLIMIT_NOFILE of this process is " + std::to_string(limit.rlim_cur) + ", at most " +
           std::to_string(limit.rlim_max) + ")";
  }
  if (error == ENFILE) {
    // Where no file can be opened, this one mostly can't either.
    std::string value;
    std::ifstream file("/proc/sys/fs/file-max");
    if (!(file >> value)) return " (fs.file-max, the limit of this system, is reached)";
    return " (fs.file-max of this system is " + value + ")";
  }
  return {};
}

}  // namespace

const char* toString(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::timedOut: return "timedOut";
    case ErrorKind::gone: return "gone";
    case ErrorKind::crashed: return "crashed";
    case ErrorKind::refused: return "refused";
    case ErrorKind::overloaded: return "overloaded";
    case ErrorKind::invalid: return "invalid";
    case ErrorKind::system: return "system";
  }
  return "unknown";
}

Error::Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}

Error Error::crashed(std::string message, ExitReason reason) {
  Error error(ErrorKind::crashed, std::move(message));
  error.reason_ = std::move(reason);
  return error;
}

Error Error::gone(std::string message, ExitReason reason) {
  Error error(ErrorKind::gone, std::move(message));
  error.reason_ = std::move(reason);
  return error;
}

Error Error::restored(ErrorKind kind, std::string message, ExitReason reason, int systemError) {
  Error restored(kind, std::move(message));
  restored.reason_ = std::move(reason);
  restored.systemError_ = systemError;
  return restored;
}

Error Error::system(std::string message, int error) {
  Error result(ErrorKind::system, std::move(message) + ": " + strerror(error) + fileLimit(error));
  result.systemError_ = error;
  return result;
}

}  // namespace troupe
