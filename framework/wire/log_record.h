// A line of the log on its way: what one process writes into the pipe of the log at once (os/app_log.h).
//
//   time US level US path US text { US key (GS | RS) value } LF
//
// The time is in nanoseconds since 1970, the level a digit; GS stands before values that are numbers, RS before texts. Control bytes within
// the parts are written as DLE and the byte with its bit 6 turned. So whatever is in a text, it begins no line and no field.
#pragma once

#include <troupe/level.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::wire {

struct LogField {
  std::string key;
  std::string value;
  bool plain = false;  // a number or a truth value
};

struct LogRecord {
  std::int64_t time = 0;
  Level level = Level::info;
  std::string path;
  std::string text;
  std::vector<LogField> fields = {};
};

std::int64_t logTimeNow();

// Parts of a record.
std::string logHead(std::int64_t time, Level level, std::string_view path);
void addLogText(std::string& to, std::string_view text);
void addLogField(std::string& to, std::string_view key, std::string_view value, bool plain);

// What a text takes in a record or in a line for humans, whichever is more.
std::size_t logWidth(std::string_view text);
// As much of the beginning of the text, in whole characters, as takes no more than `width`.
std::string_view fittingStart(std::string_view text, std::size_t width);

// Without its LF. Nothing, where that is no record.
std::optional<LogRecord> readLogRecord(std::string_view record);

// One line without its end, for humans and for programs. Neither has control characters in it, and both are UTF-8.
//   2026-11-22 03:16:40.123 info /till: paid order=7
//   {"time":"2026-11-22T03:16:40.123456Z","level":"info","actor":"/till","text":"paid","fields":{"order":7}}
std::string humanLine(const LogRecord& record);
std::string jsonLine(const LogRecord& record);

// What a reader of the log says itself.
LogRecord lostRecords(std::uint64_t count, std::string_view path, std::string_view why);
// Of a piece that is no record.
LogRecord strangeRecord(std::string_view piece);

}  // namespace troupe::wire
