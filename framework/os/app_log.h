// The app's log as every process of the app has it: the pipe that lines go into, and memory beside it.
//
// A record is one write of at most kPacketBytes, which the kernel puts into the pipe as a whole or not at all; so it outlives its
// writer from the moment in which the write returns, and records of one process stay in their order. The root holds the pipe open, and
// reads it where the app declares no sink. It has no byte 0 in it, and ends with a line feed, nowhere else in it is one.
//
// The memory is the sink's, but for the count of what was lost.
//
// Threads: the main thread of each process.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "os/fd.h"
#include "os/shared_memory.h"

namespace troupe::os {

inline constexpr std::size_t kLogPipeBytes = std::size_t{256} << 10;
// Of it the first page is the count's; all behind that is the sink's.
inline constexpr std::size_t kLogMemoryBytes = 2 * 4096 + kLogPipeBytes;

// What main says of the log, before there are other processes.
struct LogSettings {
  unsigned level = 2;  // the least that is written; `info`
  bool sink = false;   // an actor reads it
  // A writer waits so long for room; after that its records are lost, and counted, until there is some.
  std::chrono::milliseconds patience = std::chrono::seconds(1);
};
LogSettings& logSettings();

// In the root, before it has children. Errors: system.
void makeLog();
// In a fresh image: takes over what the environment names, if anything.
void inheritLog();
bool hasLog();
// What a child keeps; empty where there is no log.
std::vector<int> logDescriptors();
// By which a fresh image finds them.
std::pair<std::string, std::string> logVariable();

// False where it is lost, or there is no log. Waits as long as `patience`.
bool writeLog(std::string_view record);
// Does not wait, and does not count what is lost: whoever serves says elsewhere what has no room here.
bool tryWriteLog(std::string_view record);

// An own read end. Errors: system.
Fd openLogReader();
// A new open description of the memory. Errors: system.
Fd openLogMemory();

// How many records all processes have lost, ever; and up to which of them whoever reads the log has said so. Of a mapping of the memory.
struct LogLosses {
  std::uint64_t lost = 0;
  std::uint64_t told = 0;
};
LogLosses lossesIn(const Mapping& memory);
void setTold(const Mapping& memory, std::uint64_t told);

}  // namespace troupe::os
