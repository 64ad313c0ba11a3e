#include "wire/utf8.h"

#include <cstdio>

namespace troupe::wire {

namespace {

// How many bytes a character has that begins so; 0: none does.
std::size_t lengthFrom(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  if (first >= 0xf0 && first < 0xf5) return 4;
  return 0;
}

constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};

}  // namespace

Character takeCharacter(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t length = lengthFrom(first);
  Character character{.bytes = text.substr(0, 1), .code = first};
  if (length > 0 && length <= text.size()) {
    std::uint32_t code = length == 1 ? first : first & (0x7fU >> length);
    bool valid = true;
    for (std::size_t i = 1; i < length; ++i) {
      const auto next = static_cast<unsigned char>(text[i]);
      valid = valid && (next & 0xc0U) == 0x80U;
      code = code << 6U | (next & 0x3fU);
    }
    if (valid && code >= kLeast[length] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff))
      character = {.bytes = text.substr(0, length), .code = code, .valid = true};
  }
  text.remove_prefix(character.bytes.size());
  return character;
}

bool canBeShown(const Character& character) {
  const std::uint32_t code = character.code;
  return character.valid && code >= 0x20 && (code < 0x7f || code > 0x9f) && code != 0x2028 && code != 0x2029;
}

void addShown(std::string& to, const Character& character) {
  if (canBeShown(character)) {
    to.append(character.bytes);
  } else if (character.code == '\n') {
    to.append("\\n");
  } else if (character.code == '\t') {
    to.append("\\t");
  } else if (character.code == '\r') {
    to.append("\\r");
  } else {
    char shown[8];
    const bool wide = character.valid && character.code > 0x7f;
    std::snprintf(shown, sizeof shown, wide ? "\\u%04x" : "\\x%02x", static_cast<unsigned>(character.code));
    to.append(shown);
  }
}

std::size_t shownWidth(const Character& character) {
  return canBeShown(character) ? character.bytes.size() : 6;
}

}  // namespace troupe::wire
