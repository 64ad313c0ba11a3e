#include "cli/table.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

namespace troupe::cli {

std::string plain(std::string_view text) {
  std::string result(text);
  std::ranges::replace_if(result, [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  return result;
}

Table::Table(std::vector<std::string> head, std::vector<std::size_t> right)
    : rows_{std::move(head)}, right_(rows_[0].size()) {
  for (const std::size_t column : right) right_[column] = true;
}

void Table::add(std::vector<std::string> row) {
  for (std::string& cell : row) cell = plain(cell);
  rows_.push_back(std::move(row));
}

std::string Table::text() const {
  std::vector<std::size_t> widths(right_.size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - row[i].size(), ' ');
      line += (i == 0 ? "" : "  ") + (right_[i] ? space + row[i] : row[i] + space);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string sizeText(std::uint64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  double size = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; size >= 1024 && unit + 1 < kUnits.size(); ++unit) size /= 1024;
  std::array<char, 40> text = {};
  std::snprintf(text.data(), text.size(), "%.1f %s", size, kUnits.at(unit));
  return text.data();
}

std::string timeText(std::chrono::system_clock::time_point time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = ms / 1000;
  std::tm parts = {};
  if (ms < 0 || ::gmtime_r(&seconds, &parts) == nullptr) return "?";
  std::array<char, 64> text = {};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  std::snprintf(text.data() + size, text.size() - size, ".%03d UTC", static_cast<int>(ms % 1000));
  return text.data();
}

std::string base16(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte byte : bytes) {
    const auto value = std::to_integer<unsigned>(byte);
    text += {kDigits[value >> 4], kDigits[value & 15]};
  }
  return text;
}

std::string hexText(std::span<const std::byte> bytes, std::string_view indent) {
  constexpr std::size_t kLine = 16;
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += kLine) {
    const auto line = bytes.subspan(at, std::min(kLine, bytes.size() - at));
    std::array<char, 24> offset = {};
    std::snprintf(offset.data(), offset.size(), "%08zx ", at);
    std::string hex;
    std::string shown;
    for (const std::byte byte : line) {
      const auto c = std::to_integer<unsigned char>(byte);
      hex += (hex.size() == 24 ? "  " : " ") + base16({&byte, 1});
      shown += c < ' ' || c > '~' ? '.' : static_cast<char>(c);
    }
    hex.resize(3 * kLine + 1, ' ');
    text.append(indent).append(offset.data()).append(hex).append("  |").append(shown).append("|\n");
  }
  return text;
}

}  // namespace troupe::cli
