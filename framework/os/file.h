// Whole files: written so that nobody ever sees half of one, and read with a limit.
//
// Errors: system, naming the file; invalid, for one that is too large.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace troupe::os {

// now: it is on the disk before the call returns, which blocks as long as the disk takes. later: the system writes it when it
// likes; it outlives every process, but not a crash of the machine, which may leave it empty.
enum class ToDisk : std::uint8_t { now, later };
// Written beside, then moved to its place, readable for its owner alone: there is the whole new file, or what was there before.
void writeWholeFile(const std::string& path, std::span<const std::byte> bytes, ToDisk toDisk = ToDisk::now);

std::vector<std::byte> readWholeFile(const std::string& path, std::size_t mostBytes);

// A file of /proc or /sys, which the kernel makes up as it is read. Empty where there is none, or none any more: whose it is may have
// ended since it was opened. No errors.
std::string readSystemFile(const std::string& path);

// Makes the folder where it is not there yet, for its owner alone; the one above it must be there.
void makeFolder(const std::string& path);

}  // namespace troupe::os
