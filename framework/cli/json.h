// Writes one JSON document, value by value.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

// Quoted and escaped. What is no UTF-8 becomes U+FFFD.
std::string jsonText(std::string_view text);

class Json {
 public:
  Json& object() { return open('{'); }
  Json& array() { return open('['); }
  Json& end();
  // Inside an object, before each value.
  Json& key(std::string_view name);

  Json& value(std::string_view text) { return raw(jsonText(text)); }
  Json& value(const char* text) { return raw(jsonText(text)); }
  Json& value(const std::string& text) { return raw(jsonText(text)); }
  Json& value(bool yes) { return raw(yes ? "true" : "false"); }
  Json& value(std::int64_t number) { return raw(std::to_string(number)); }
  Json& value(std::uint64_t number) { return raw(std::to_string(number)); }
  Json& value(std::int32_t number) { return raw(std::to_string(number)); }
  Json& value(std::uint32_t number) { return raw(std::to_string(number)); }
  // What JSON has no number for becomes null.
  Json& value(double number);
  Json& null() { return raw("null"); }

  template <class T>
  Json& field(std::string_view name, const T& to) {
    return key(name).value(to);
  }

  const std::string& text() const { return text_; }

 private:
  Json& open(char bracket);
  Json& raw(std::string_view value);
  void comma();

  std::string text_;
  std::vector<char> open_;
  bool first_ = true;
  bool afterKey_ = false;
};

}  // namespace troupe::cli
