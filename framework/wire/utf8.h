// The characters of a text that may be anything, one by one, and how what can't be shown is shown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::wire {

struct Character {
  std::string_view bytes;  // one, where it is no UTF-8
  std::uint32_t code = 0;
  bool valid = false;
};

// Takes the first one off a text that is not empty.
Character takeCharacter(std::string_view& text);

// Would move a cursor, end a line, or be taken for the beginning of a command by a terminal: C0, DEL, C1, and the line ends of Unicode;
// or is no character.
bool canBeShown(const Character& character);

// "\n", "\x1b", "\u009b"; of one that can be shown, itself.
void addShown(std::string& to, const Character& character);
// At least as much as addShown() adds, and as it takes in a record.
std::size_t shownWidth(const Character& character);

}  // namespace troupe::wire
