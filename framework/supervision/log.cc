#include "supervision/log.h"

#include <spdlog/details/null_mutex.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>

#include "supervision/output_relay.h"

namespace troupe::supervision {

namespace {

class RelaySink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit RelaySink(OutputRelay& relay) : relay_(relay) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    const std::string_view text(line.data(), line.size());
    relay_.writeLine(text.substr(0, text.find_last_not_of('\n') + 1));
  }
  void flush_() override {}

 private:
  OutputRelay& relay_;
};

}  // namespace

Log::Log(OutputRelay& relay, const std::string& path)
    : logger_(std::make_shared<spdlog::logger>(path, std::make_shared<RelaySink>(relay))) {
  logger_->set_pattern("%Y-%m-%d %H:%M:%S.%e %l: %v");
}

void Log::info(const std::string& text) { logger_->info("{}", text); }
void Log::warning(const std::string& text) { logger_->warn("{}", text); }

}  // namespace troupe::supervision
