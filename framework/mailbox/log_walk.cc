#include "mailbox/log_walk.h"

#include <algorithm>
#include <cstring>

namespace troupe::mailbox {

bool LogWalk::fault() {
  ruined_ = true;
  return false;
}

// What it grows by counts once the end is moved behind that.
void LogWalk::cutAtEnd() {
  if (end_ < at_ + sizeof(LogRecord)) return;
  const auto most = static_cast<std::uint32_t>(end_ - at_ - sizeof(LogRecord));
  header_.bytes = std::min(header_.bytes, most);
  header_.realBytes = std::min(header_.realBytes, most);
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
    if (header_.kind == LogRecord::packet) cutAtEnd();
    const bool known = header_.kind >= LogRecord::done && header_.kind <= LogRecord::packet;
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
