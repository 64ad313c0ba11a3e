#include "supervision/log.h"

#include <spdlog/details/null_mutex.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>

#include "os/app_log.h"
#include "supervision/output_relay.h"
#include "wire/log_record.h"

namespace troupe::supervision {

namespace {

// A record is one write to a pipe.
constexpr std::size_t kMostHandedOver = 3000;
constexpr std::size_t kMostPath = 400;

Level levelOf(spdlog::level::level_enum level) {
  return level == spdlog::level::info ? Level::info : Level::warn;
}

// For the sink of the app's log. False where there is none, or no room: a process that serves does not wait.
bool handOver(const std::string& path, Level level, std::string_view text) {
  if (!os::logSettings().sink) return false;
  if (static_cast<unsigned>(level) < os::logSettings().level) return true;
  std::string record = wire::logHead(wire::logTimeNow(), level, std::string_view(path).substr(0, kMostPath));
  wire::addLogText(record, wire::fittingStart(text, kMostHandedOver));
  record.push_back('\n');
  return os::tryWriteLog(record);
}

// Records as lines, and how many were lost before.
class Shower {
 public:
  Shower() : memory_(os::openLogMemory(), os::kLogMemoryBytes) {}

  std::string operator()(std::string_view line) const {
    std::string shown;
    const os::LogLosses losses = os::lossesIn(memory_);
    if (losses.lost > losses.told) {
      os::setTold(memory_, losses.lost);
      const auto lost = wire::lostRecords(losses.lost - losses.told, "/", "there was no room");
      shown = wire::humanLine(lost) + "\n";
    }
    const auto record = wire::readLogRecord(line);
    return shown + wire::humanLine(record ? *record : wire::strangeRecord(line));
  }

 private:
  os::Mapping memory_;
};

class RelaySink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit RelaySink(OutputRelay& relay) : relay_(relay) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    if (handOver({message.logger_name.data(), message.logger_name.size()}, levelOf(message.level),
                 {message.payload.data(), message.payload.size()}))
      return;
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
    : relay_(relay), logger_(std::make_shared<spdlog::logger>(path, std::make_shared<RelaySink>(relay))) {
  logger_->set_pattern("%Y-%m-%d %H:%M:%S.%e %l: %v");
}

void Log::takeActors() {
  if (!os::hasLog()) return;
  relay_.add(os::openLogReader(),
             [shower = std::make_shared<Shower>()](std::string_view line) { return (*shower)(line); });
}

void Log::info(const std::string& text) { logger_->info("{}", text); }
void Log::warning(const std::string& text) { logger_->warn("{}", text); }

}  // namespace troupe::supervision
