// Logger: what log() gives, in every actor: lines for the app's log (<troupe/log.h>).
//
//     log().info("{} eats {}", name(), dish->getName());
//     log().with("order", 7).warn("paid twice");
//
// Text:      the first argument is a format as of std::format, checked by the compiler; a single argument is the text itself, whatever is in
//            it. Arguments: truth values, numbers, characters, text, also Cap'n Proto's, enums, durations, pointers, and what has a
//            toString(), as a member or found beside its type, or a what(). No byte of a text can end the line, or look like another.
// Turn:      a line is written at once, not when the turn ends: those before a crash are there, with those of a turn that is taken back.
// Order:     one actor's lines come in their order, and there is one order of all. A long text makes several lines.
// Waiting:   where the log has no room, a line waits for it, a second at most (LogSpec::patience); then it and those after it are lost, until
//            there is room. How many were lost is said there.
// Answer:    true where the line is in the log, which no process's death takes back but the root's; false where it is not wanted or lost.
// Errors:    none. A format that does not fit its values is written as it is.
// Threads:   the actor's.
#pragma once

#include <troupe/level.h>
#include <troupe/spec.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace troupe {

namespace detail {

// What stands for an argument. Text is not copied.
using LogValue =
    std::variant<bool, char, std::int64_t, std::uint64_t, double, std::string_view, const void*, std::string>;

std::string durationText(Duration duration);

template <class T>
LogValue logValue(const T& value) {
  if constexpr (std::same_as<T, bool> || std::same_as<T, char>) {
    return value;
  } else if constexpr (std::signed_integral<T>) {
    return static_cast<std::int64_t>(value);
  } else if constexpr (std::unsigned_integral<T>) {
    return static_cast<std::uint64_t>(value);
  } else if constexpr (std::floating_point<T>) {
    return static_cast<double>(value);
  } else if constexpr (std::convertible_to<const T&, const char*>) {
    const char* const text = value;
    return text == nullptr ? std::string_view("(null)") : std::string_view(text);
  } else if constexpr (std::convertible_to<const T&, std::string_view>) {
    return std::string_view(value);
  } else if constexpr (requires { std::string_view(value.cStr(), value.size()); }) {
    return std::string_view(value.cStr(), value.size());
  } else if constexpr (requires { std::string(value.toString()); }) {
    return std::string(value.toString());
  } else if constexpr (requires { std::string(toString(value)); }) {
    return std::string(toString(value));
  } else if constexpr (requires { std::string(value.what()); }) {
    return std::string(value.what());
  } else if constexpr (requires { std::chrono::duration_cast<Duration>(value); }) {
    return durationText(std::chrono::duration_cast<Duration>(value));
  } else if constexpr (std::is_enum_v<T>) {
    return logValue(static_cast<std::underlying_type_t<T>>(value));
  } else {
    static_assert(std::is_pointer_v<T>, "log() can't write a value of this type: give it a toString()");
    return static_cast<const void*>(value);
  }
}

// Not constexpr: where a format is wrong, the compiler's message ends here.
void formatTakesFewerValues();
void formatTakesMoreValues();
void formatHasASingleBrace();
void formatNamesAValue();

consteval bool isDigit(char c) { return c >= '0' && c <= '9'; }

// Which value the braces stand for that begin at `at`; `next` counts those that do not say it.
consteval std::size_t valueAt(std::string_view format, std::size_t at, std::size_t& next) {
  std::size_t index = 0;
  std::size_t end = at + 1;
  for (; end < format.size() && isDigit(format[end]); ++end)
    index = index * 10 + static_cast<std::size_t>(format[end] - '0');
  if (end == format.size()) formatHasASingleBrace();
  if (format[end] != '}' && format[end] != ':') formatNamesAValue();
  return end == at + 1 ? next++ : index;
}

consteval void checkLogFormat(std::string_view format, std::size_t values) {
  std::size_t next = 0;
  std::size_t used = 0;
  std::size_t depth = 0;
  for (std::size_t i = 0; i < format.size(); ++i) {
    const char c = format[i];
    if (c != '{' && c != '}') continue;
    if (depth == 0 && i + 1 < format.size() && format[i + 1] == c) {
      ++i;
    } else if (c == '{') {
      ++depth;
      used = std::max(used, valueAt(format, i, next) + 1);
    } else if (depth-- == 0) {
      formatHasASingleBrace();
    }
  }
  if (depth != 0) formatHasASingleBrace();
  if (used > values) formatTakesMoreValues();
  if (used < values) formatTakesFewerValues();
}

template <class... Values>
struct LogFormat {
  template <class T>
    requires std::convertible_to<const T&, std::string_view>
  consteval LogFormat(const T& format) : text(format) {
    checkLogFormat(text, sizeof...(Values));
  }
  std::string_view text;
};
// A single argument is no format. It is made a text of where the line is wanted.
template <>
struct LogFormat<> {
  template <class T>
  LogFormat(const T& value)
      : text(&value), read([](const void* text) { return logValue(*static_cast<const T*>(text)); }) {}
  const void* text;
  LogValue (*read)(const void* text);
};

}  // namespace detail

class Logger {
  template <class... Values>
  using Format = std::type_identity_t<detail::LogFormat<Values...>>;

 public:
  // `path` must live as long as this.
  explicit Logger(std::string_view path) : path_(path) {}

  // The same, whose lines have this beside their text: "paid order=7". Values are cut at 256 bytes.
  template <class T>
  Logger with(std::string_view key, const T& value) const {
    Logger other = *this;
    other.addField(key, detail::logValue(value));
    return other;
  }

  // Lines of that level are wanted: where the making of what is to be logged costs something.
  static bool enabled(Level level);

  // One line of that level.
  template <class... Values>
  bool trace(Format<Values...> format, const Values&... values) const {
    return write(Level::trace, format, values...);
  }
  template <class... Values>
  bool debug(Format<Values...> format, const Values&... values) const {
    return write(Level::debug, format, values...);
  }
  template <class... Values>
  bool info(Format<Values...> format, const Values&... values) const {
    return write(Level::info, format, values...);
  }
  template <class... Values>
  bool warn(Format<Values...> format, const Values&... values) const {
    return write(Level::warn, format, values...);
  }
  template <class... Values>
  bool error(Format<Values...> format, const Values&... values) const {
    return write(Level::error, format, values...);
  }

 private:
  template <class... Values>
  bool write(Level level, const detail::LogFormat<Values...>& format, const Values&... values) const {
    if (!enabled(level)) return false;
    if constexpr (sizeof...(Values) == 0) {
      const std::array<detail::LogValue, 1> all{format.read(format.text)};
      return writeLine(level, "{}", all);
    } else {
      const std::array<detail::LogValue, sizeof...(Values)> all{detail::logValue(values)...};
      return writeLine(level, format.text, all);
    }
  }
  bool writeLine(Level level, std::string_view format, std::span<const detail::LogValue> values) const;
  void addField(std::string_view key, const detail::LogValue& value);

  std::string_view path_;
  std::string fields_;  // as they are in records
};

}  // namespace troupe
