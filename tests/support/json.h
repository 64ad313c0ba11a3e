// Reads a JSON document, and says where it is none.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tests {

struct JsonValue {
  // 'o' object, 'a' array, 's' string, 'n' number, 't', 'f', '0' null.
  char kind = '0';
  std::string text;  // of a string, without escapes; of a number, as it stands there
  std::map<std::string, JsonValue> fields;
  std::vector<JsonValue> items;

  // Throws std::out_of_range where there is none.
  const JsonValue& operator[](const std::string& field) const { return fields.at(field); }
  const JsonValue& operator[](std::size_t item) const { return items.at(item); }
  long long number() const { return std::stoll(text); }
};

// Throws std::runtime_error where it is not one whole document.
JsonValue parseJson(std::string_view text);

}  // namespace tests
