#include "wire/log_record.h"

#include <algorithm>
#include <charconv>

#include "wire/utf8.h"

namespace troupe {

const char* toString(Level level) {
  switch (level) {
    case Level::trace: return "trace";
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error: return "error";
    case Level::off: return "off";
  }
  return "unknown";
}

namespace wire {

namespace {

constexpr char kUnit = '\x1f';
constexpr char kText = '\x1e';
constexpr char kPlain = '\x1d';
constexpr char kEscape = '\x10';
constexpr char kTurned = 0x40;

bool isControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

std::string unescaped(std::string_view part) {
  std::string text;
  text.reserve(part.size());
  for (std::size_t i = 0; i < part.size(); ++i) {
    const bool escape = part[i] == kEscape && i + 1 < part.size();
    text.push_back(escape ? static_cast<char>(part[++i] ^ kTurned) : part[i]);
  }
  return text;
}

// The part of `rest` up to the next unit, which is taken off.
std::string_view nextPart(std::string_view& rest) {
  const std::size_t end = std::min(rest.find(kUnit), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

}  // namespace

std::int64_t logTimeNow() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void addLogText(std::string& to, std::string_view text) {
  for (const char c : text) {
    if (isControl(c)) {
      to.push_back(kEscape);
      to.push_back(static_cast<char>(c ^ kTurned));
    } else {
      to.push_back(c);
    }
  }
}

std::string logHead(std::int64_t time, Level level, std::string_view path) {
  std::string head = std::to_string(time);
  head.push_back(kUnit);
  head.push_back(static_cast<char>('0' + static_cast<int>(level)));
  head.push_back(kUnit);
  addLogText(head, path);
  head.push_back(kUnit);
  return head;
}

void addLogField(std::string& to, std::string_view key, std::string_view value, bool plain) {
  to.push_back(kUnit);
  addLogText(to, key);
  to.push_back(plain ? kPlain : kText);
  addLogText(to, value);
}

std::optional<LogRecord> readLogRecord(std::string_view record) {
  LogRecord read;
  const std::string_view time = nextPart(record);
  const std::string_view level = nextPart(record);
  const auto [end, fault] = std::from_chars(time.data(), time.data() + time.size(), read.time);
  if (fault != std::errc() || end != time.data() + time.size() || level.size() != 1) return std::nullopt;
  if (level[0] < '0' || level[0] >= '0' + static_cast<int>(Level::off)) return std::nullopt;
  read.level = static_cast<Level>(level[0] - '0');
  read.path = unescaped(nextPart(record));
  read.text = unescaped(nextPart(record));
  while (!record.empty()) {
    const std::string_view field = nextPart(record);
    const std::size_t middle = field.find_first_of(std::string{kText, kPlain});
    if (middle == field.npos) return std::nullopt;
    read.fields.push_back({.key = unescaped(field.substr(0, middle)),
                           .value = unescaped(field.substr(middle + 1)),
                           .plain = field[middle] == kPlain});
  }
  return read;
}

std::size_t logWidth(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) width += shownWidth(takeCharacter(text));
  return width;
}

std::string_view fittingStart(std::string_view text, std::size_t width) {
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view after = rest;
    const std::size_t needed = shownWidth(takeCharacter(after));
    if (needed > width) break;
    width -= needed;
    rest = after;
  }
  return text.substr(0, text.size() - rest.size());
}

LogRecord lostRecords(std::uint64_t count, std::string_view path, std::string_view why) {
  return {.time = logTimeNow(),
          .level = Level::warn,
          .path = std::string(path),
          .text = std::to_string(count) + (count == 1 ? " line was" : " lines were") +
                  " lost here: " + std::string(why)};
}

LogRecord strangeRecord(std::string_view piece) {
  return {.time = logTimeNow(),
          .level = Level::warn,
          .path = "?",
          .text = "(no line of a log) " + std::string(fittingStart(piece, 1000))};
}

}  // namespace wire

}  // namespace troupe
