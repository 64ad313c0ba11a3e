// What people read: tables, times, sizes. Nothing that comes from an app can write control characters to a terminal.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

// Control characters become spaces.
std::string plain(std::string_view text);

class Table {
 public:
  // Columns in `right` are aligned to the right.
  explicit Table(std::vector<std::string> head, std::vector<std::size_t> right = {});
  void add(std::vector<std::string> row);
  // One line a row.
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<bool> right_;
};

// "640 B", "12.3 MiB".
std::string sizeText(std::uint64_t bytes);
// "2026-01-31 23:59:59.123 UTC".
std::string timeText(std::chrono::system_clock::time_point time);
// As hexdump -C has it, each line after `indent`.
std::string hexText(std::span<const std::byte> bytes, std::string_view indent);
// "00ff": all of them in one piece.
std::string base16(std::span<const std::byte> bytes);

}  // namespace troupe::cli
