#include "actors/log_batch.h"

#include <algorithm>
#include <cstring>

#include "os/output.h"
#include "os/packet_pipe.h"

namespace troupe::actors {

LogBatch::LogBatch() : mapping_(os::openLogMemory(), os::kLogMemoryBytes), reader_(os::openLogReader()) {
  std::size_t end = os::kLogPipeBytes;
  while (end > 0 && data()[end - 1] == 0) --end;
  size_ = end;
  // Each page is there from now on: a read that has to make one can be killed between two bytes.
  std::memset(data() + size_, 0, os::kLogPipeBytes - size_);
  if (noted().finished != 0) wipe();
}

void LogBatch::commit(const Noted& noted) {
  memory().places[(memory().valid + 1) % 2] = noted;
  ++memory().valid;
}

void LogBatch::note(Noted noted) {
  noted.finished = 0;
  commit(noted);
}

void LogBatch::finish(Noted noted) {
  noted.finished = 1;
  commit(noted);
  wipe();
}

void LogBatch::wipe() {
  std::memset(data(), 0, size_);
  size_ = 0;
  note(noted());
}

bool LogBatch::read() {
  const std::size_t waiting = std::min(os::waitingBytes(reader_.get()), os::kLogPipeBytes);
  if (waiting == 0) return false;
  const long got = os::readOutput(reader_.get(), data(), waiting);
  size_ = static_cast<std::size_t>(std::max(got, 0L));
  return size_ > 0;
}

}  // namespace troupe::actors
