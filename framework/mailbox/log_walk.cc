#include "mailbox/log_walk.h"

#include <cstring>

namespace troupe::mailbox {

bool LogWalk::fault() {
  ruined_ = true;
  return false;
}

LogRecord* LogWalk::next() {
  while (!ruined_ && at_ != end_) {
    if (seen_ > kLogBytes) {
      fault();
      break;
    }
    const std::size_t left = kLogBytes - at_;
    if (left < sizeof(LogRecord)) {
      seen_ += left + 8;
      at_ = 0;
      continue;
    }
    auto* const record = reinterpret_cast<LogRecord*>(log_.bytes + at_);
    std::memcpy(&header_, record, sizeof header_);
    if (header_.kind == LogRecord::wrap) {
      seen_ += left;
      at_ = 0;
      continue;
    }
    const bool known = header_.kind == LogRecord::done || header_.kind == LogRecord::kept ||
                       header_.kind == LogRecord::message;
    if (!known || header_.bytes % 8 != 0 || header_.bytes > left - sizeof(LogRecord) ||
        header_.realBytes > header_.bytes) {
      fault();
      break;
    }
    offset_ = at_;
    at_ += static_cast<std::uint32_t>(sizeof(LogRecord) + header_.bytes);
    seen_ += sizeof(LogRecord) + header_.bytes;
    return record;
  }
  return nullptr;
}

}  // namespace troupe::mailbox
