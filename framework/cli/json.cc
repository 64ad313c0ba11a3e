#include "cli/json.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace troupe::cli {

namespace {

// The length of the character at the front, 0 where it is no UTF-8.
std::size_t characterAt(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto follows = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first < 0xf0) {
    if (!follows(1) || !follows(2)) return 0;
    const unsigned second = byte(1);
    // Neither longer than needed, nor half of a pair of surrogates.
    return (first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) ? 0 : 3;
  }
  if (first >= 0xf0 && first < 0xf5) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    const unsigned second = byte(1);
    return (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90) ? 0 : 4;
  }
  return 0;
}

}  // namespace

std::string jsonText(std::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const std::size_t size = characterAt(text);
    const auto c = static_cast<unsigned char>(text[0]);
    if (size == 0) {
      quoted += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      quoted += {'\\', text[0]};
    } else if (c < ' ' || c == 0x7f) {
      std::array<char, 8> escaped = {};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", unsigned{c});
      quoted += escaped.data();
    } else {
      quoted += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return quoted + '"';
}

void Json::comma() {
  if (!first_ && !afterKey_) text_ += ',';
  first_ = false;
  afterKey_ = false;
}

Json& Json::open(char bracket) {
  comma();
  text_ += bracket;
  open_.push_back(bracket == '{' ? '}' : ']');
  first_ = true;
  return *this;
}

Json& Json::end() {
  text_ += open_.back();
  open_.pop_back();
  first_ = false;
  return *this;
}

Json& Json::key(std::string_view name) {
  comma();
  text_ += jsonText(name) + ':';
  afterKey_ = true;
  return *this;
}

Json& Json::raw(std::string_view value) {
  comma();
  text_ += value;
  return *this;
}

Json& Json::value(double number) {
  if (!std::isfinite(number)) return null();
  std::array<char, 40> text = {};
  std::snprintf(text.data(), text.size(), "%.17g", number);
  return raw(text.data());
}

}  // namespace troupe::cli
