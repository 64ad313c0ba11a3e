// Records of the log as lines, for humans and for programs.
#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <utility>

#include "wire/log_record.h"
#include "wire/utf8.h"

namespace troupe::wire {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// Local time, or UTC; the text of a second is made once for all lines of that second.
class SecondText {
 public:
  SecondText(const char* format, std::tm* (*split)(const std::time_t*, std::tm*))
      : format_(format), split_(split) {}

  const char* of(std::time_t second) {
    if (second == second_ && text_[0] != 0) return text_.data();
    std::tm parts = {};
    if (split_(&second, &parts) == nullptr) return "?";
    std::strftime(text_.data(), text_.size(), format_, &parts);
    second_ = second;
    return text_.data();
  }

 private:
  const char* format_;
  std::tm* (*split_)(const std::time_t*, std::tm*);
  std::time_t second_ = 0;
  std::array<char, 64> text_ = {};
};

// A clock before 1970 is set wrongly: shown as 1970.
std::time_t secondsOf(std::int64_t time) { return time < 0 ? 0 : time / kSecond; }
std::string fractionOf(std::int64_t time, int digits) {
  std::string all = std::to_string(kSecond + (time < 0 ? 0 : time % kSecond));
  return all.substr(1, static_cast<std::size_t>(digits));
}

void addSafe(std::string& to, std::string_view text) {
  while (!text.empty()) addShown(to, takeCharacter(text));
}

// Quoted where it is not seen otherwise where it ends.
void addHumanValue(std::string& to, const LogField& field) {
  if (!field.value.empty() && field.value.find_first_of(" =\"\\") == std::string::npos)
    return addSafe(to, field.value);
  to.push_back('"');
  std::string_view rest = field.value;
  while (!rest.empty()) {
    if (rest[0] == '"' || rest[0] == '\\') to.push_back('\\');
    addShown(to, takeCharacter(rest));
  }
  to.push_back('"');
}

void addJsonText(std::string& to, std::string_view text) {
  to.push_back('"');
  while (!text.empty()) {
    const Character character = takeCharacter(text);
    char shown[8];
    if (!character.valid) {
      to.append("\\ufffd");
    } else if (character.code == '"' || character.code == '\\') {
      to.append("\\").append(character.bytes);
    } else if (character.code == '\n') {
      to.append("\\n");
    } else if (!canBeShown(character)) {
      std::snprintf(shown, sizeof shown, "\\u%04x", static_cast<unsigned>(character.code));
      to.append(shown);
    } else {
      to.append(character.bytes);
    }
  }
  to.push_back('"');
}

// Or a truth value. Not all that JSON takes for one, but none that it does not: the record may come from a process that has gone mad.
bool isJsonNumber(std::string_view text) {
  if (text == "true" || text == "false") return true;
  if (text.starts_with('-')) text.remove_prefix(1);
  const std::size_t whole = std::min(text.find_first_not_of("0123456789"), text.size());
  if (whole == 0 || (whole > 1 && text[0] == '0')) return false;
  text.remove_prefix(whole);
  if (text.empty()) return true;
  return text[0] == '.' && text.size() > 1 && text.find_first_not_of("0123456789", 1) == text.npos;
}

}  // namespace

std::string humanLine(const LogRecord& record) {
  static SecondText local("%Y-%m-%d %H:%M:%S", &::localtime_r);
  std::string line = local.of(secondsOf(record.time));
  line.append(".").append(fractionOf(record.time, 3)).append(" ").append(toString(record.level)).append(" ");
  addSafe(line, record.path);
  line.append(": ");
  addSafe(line, record.text);
  for (const LogField& field : record.fields) {
    line.push_back(' ');
    addSafe(line, field.key);
    line.push_back('=');
    addHumanValue(line, field);
  }
  return line;
}

std::string jsonLine(const LogRecord& record) {
  static SecondText utc("%Y-%m-%dT%H:%M:%S", &::gmtime_r);
  std::string line = "{\"time\":\"";
  line.append(utc.of(secondsOf(record.time))).append(".").append(fractionOf(record.time, 6));
  line.append("Z\",\"level\":\"").append(toString(record.level)).append("\",\"actor\":");
  addJsonText(line, record.path);
  line.append(",\"text\":");
  addJsonText(line, record.text);
  if (!record.fields.empty()) {
    const char* before = ",\"fields\":{";
    for (const LogField& field : record.fields) {
      line.append(std::exchange(before, ","));
      addJsonText(line, field.key);
      line.push_back(':');
      if (field.plain && isJsonNumber(field.value)) {
        line.append(field.value);
      } else {
        addJsonText(line, field.value);
      }
    }
    line.push_back('}');
  }
  line.push_back('}');
  return line;
}

}  // namespace troupe::wire
