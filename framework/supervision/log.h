// The log of the processes that serve: one line an event, on standard error, through the same relay as the children's output.
#pragma once

#include <memory>
#include <string>

namespace spdlog {
class logger;
}

namespace troupe::supervision {

class OutputRelay;

class Log {
 public:
  // `relay` must live as long as this.
  Log(OutputRelay& relay, const std::string& path);

  void info(const std::string& text);
  void warning(const std::string& text);

 private:
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace troupe::supervision
