// Goes through the records of a log that count, in their order, in memory of which nothing can be trusted.
#pragma once

#include <cstddef>
#include <span>

#include "mailbox/desk_layout.h"

namespace troupe::mailbox {

struct LogExtent {
  std::uint32_t first = 0;
  std::uint32_t end = 0;

  static LogExtent of(std::uint64_t packed) {
    return {static_cast<std::uint32_t>(packed >> 32), static_cast<std::uint32_t>(packed)};
  }
  std::uint64_t packed() const { return std::uint64_t{first} << 32 | end; }
};

class LogWalk {
 public:
  LogWalk(LogMemory& log, LogExtent extent)
      : log_(log), at_(extent.first), end_(extent.end), ruined_(!isPlace(at_) || !isPlace(end_)) {}
  explicit LogWalk(LogMemory& log)
      : LogWalk(log, LogExtent::of(log.extent.load(std::memory_order_acquire))) {}

  // The next record, or null at the end, or where the memory makes no sense (see ruined()).
  LogRecord* next();
  // Where the record that next() gave begins.
  std::uint32_t offset() const { return offset_; }
  // A copy of its header, taken once: the checks below hold for it. Of a packet that was growing, no more than counts.
  const LogRecord& header() const { return header_; }
  std::span<const std::byte> bytes() const {
    return {log_.bytes + offset_ + sizeof(LogRecord), static_cast<std::size_t>(header_.realBytes)};
  }
  bool ruined() const { return ruined_; }

 private:
  static bool isPlace(std::uint32_t offset) { return offset <= kLogBytes && offset % 8 == 0; }
  bool fault();
  void cutAtEnd();

  LogMemory& log_;
  std::uint32_t at_;
  std::uint32_t end_;
  std::uint32_t offset_ = 0;
  std::size_t seen_ = 0;  // bytes; more than there are means a circle
  LogRecord header_{};
  bool ruined_;
};

}  // namespace troupe::mailbox
