// A line of the log, from what is to be written to the records that are.
#include <troupe/logger.h>

#include <fmt/args.h>
#include <fmt/format.h>

#include <cstdio>

#include "os/app_log.h"
#include "wire/log_record.h"

namespace troupe {

namespace {

constexpr std::size_t kMostFieldBytes = 1500;
constexpr std::size_t kMostValueBytes = 256;
constexpr std::size_t kMostPathBytes = 500;
constexpr std::size_t kMostTextBytes = 64 * 1024;
// So that what it becomes is one write to a pipe too.
constexpr std::size_t kMostLineBytes = 3500;
// The time, the level, and what joins the pieces.
constexpr std::size_t kHeadBytes = 100;
constexpr std::string_view kGoesOn = " ...";
constexpr std::string_view kGoneOn = "... ";

std::string formatted(std::string_view format, std::span<const detail::LogValue> values) {
  try {
    fmt::dynamic_format_arg_store<fmt::format_context> arguments;
    for (const detail::LogValue& value : values)
      std::visit([&arguments](const auto& each) { arguments.push_back(each); }, value);
    return fmt::vformat(format, arguments);
  } catch (const fmt::format_error& error) {
    return std::string(format) + " (not formatted: " + error.what() + ")";
  }
}

void cutTo(std::string& text, std::size_t bytes) {
  if (wire::logWidth(text) <= bytes) return;
  const std::size_t kept = wire::fittingStart(text, bytes).size();
  const std::string more = " ... (" + std::to_string(text.size() - kept) + " bytes more)";
  text.resize(kept);
  text.append(more);
}

bool writeRecord(Level level, std::string_view path, std::string_view text, std::string_view fields) {
  std::string record = wire::logHead(wire::logTimeNow(), level, path);
  wire::addLogText(record, text);
  record.append(fields).push_back('\n');
  return os::writeLog(record);
}

// Where there is no app around the actor, as in a replay.
void printRecord(Level level, std::string_view path, std::string_view text, std::string_view fields) {
  std::string record = wire::logHead(wire::logTimeNow(), level, path);
  wire::addLogText(record, text);
  record.append(fields);
  if (const auto read = wire::readLogRecord(record))
    std::fprintf(stderr, "%s\n", wire::humanLine(*read).c_str());
}

}  // namespace

std::string detail::durationText(Duration duration) {
  struct Unit {
    std::int64_t length;
    const char* name;
  };
  constexpr std::array<Unit, 6> kUnits{{{3'600'000'000'000, "h"},
                                        {60'000'000'000, "min"},
                                        {1'000'000'000, "s"},
                                        {1'000'000, "ms"},
                                        {1'000, "us"},
                                        {1, "ns"}}};
  for (const Unit& unit : kUnits) {
    if (duration.count() % unit.length == 0 && (duration.count() != 0 || unit.length == 1'000'000'000))
      return std::to_string(duration.count() / unit.length) + unit.name;
  }
  return {};
}

bool Logger::enabled(Level level) { return static_cast<unsigned>(level) >= os::logSettings().level; }

bool Logger::writeLine(Level level, std::string_view format, std::span<const detail::LogValue> values) const {
  std::string all = formatted(format, values);
  cutTo(all, kMostTextBytes);
  const std::string_view path = path_.substr(0, kMostPathBytes);
  if (!os::hasLog()) {
    printRecord(level, path, all, fields_);
    return true;
  }
  const std::size_t room = kMostLineBytes - kHeadBytes - path.size() - wire::logWidth(fields_);
  std::string_view rest = all;
  for (bool first = true, written = true; written; first = false) {
    std::string piece(first ? "" : kGoneOn);
    const std::string_view fitting = wire::fittingStart(rest, room);
    rest.remove_prefix(fitting.size());
    piece.append(fitting).append(rest.empty() ? "" : kGoesOn);
    written = writeRecord(level, path, piece, fields_);
    if (rest.empty()) return written;
  }
  return false;
}

void Logger::addField(std::string_view key, const detail::LogValue& value) {
  std::string text = formatted("{}", std::span(&value, 1));
  cutTo(text, kMostValueBytes);
  const bool plain = value.index() <= 4 && !std::holds_alternative<char>(value);
  std::string field;
  wire::addLogField(field, wire::fittingStart(key, kMostValueBytes), text, plain);
  if (wire::logWidth(fields_) + wire::logWidth(field) <= kMostFieldBytes) {
    fields_.append(field);
  } else if (!fields_.ends_with("dropped")) {
    wire::addLogField(fields_, "further fields", "dropped", false);
  }
}

}  // namespace troupe
