// The log of the processes that serve: one line an event, on standard error, through the same relay as the children's output; or,
// where an actor is the log's sink, for that one.
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

  // In the root: what the actors log comes out here too. Of an app that has a sink: what that one has left, when it has ended.
  void takeActors();

  void info(const std::string& text);
  void warning(const std::string& text);

 private:
  OutputRelay& relay_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace troupe::supervision
