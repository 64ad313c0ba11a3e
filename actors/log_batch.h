// What the sink of a log has read and not written yet. It lies in memory that outlives the sink, with how far its file is whole: whatever
// is killed, a successor goes on with exactly these records, at exactly that place.
//
// The memory:  two places for what is Noted, one of which is the valid one; and the records, behind them zero.
// Reading:     the kernel puts records there and takes them out of the pipe in one go, which SIGKILL does not divide. So whatever is not zero
//              has been read, also where the process did not live to be told so.
// Steps:       [empty] read -> [records] write the file -> finish -> [wiped] -> [empty]. The step to the next is one store.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "os/app_log.h"
#include "os/log_file.h"

namespace troupe::actors {

class LogBatch {
 public:
  struct Noted {
    os::FilePlace file;
    std::uint64_t told = 0;       // of the records that were lost on the way
    std::uint64_t unwritten = 0;  // lines that were lost since the file could not be written
    std::uint64_t finished = 0;   // 1: what lies there is over
  };

  // The memory must be this process's alone.
  LogBatch();

  // Whole records; empty, where none are in hand.
  std::string_view records() const { return {data(), size_}; }
  const Noted& noted() const { return memory().places[memory().valid % 2]; }
  // Reads what the pipe has. False, where it has nothing. None must be in hand.
  bool read();
  // What is in hand stays there.
  void note(Noted noted);
  // What was in hand is over.
  void finish(Noted noted);
  int reader() const { return reader_.get(); }
  const os::Mapping& losses() const { return mapping_; }

 private:
  static constexpr std::size_t kPage = 4096;
  struct Memory {
    std::atomic<std::uint64_t> valid;
    Noted places[2];
  };
  Memory& memory() const { return *reinterpret_cast<Memory*>(static_cast<char*>(mapping_.data()) + kPage); }
  char* data() const { return static_cast<char*>(mapping_.data()) + 2 * kPage; }
  void commit(const Noted& noted);
  void wipe();

  os::Mapping mapping_;
  os::Fd reader_;
  std::size_t size_ = 0;
};

}  // namespace troupe::actors
