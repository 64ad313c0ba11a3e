// Whole files: written so that nobody ever sees half of one, and read with a limit.
//
// Errors: system, naming the file; invalid, for one that is too large.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace troupe::os {

// Written beside, synchronised to the disk, then moved to its place, readable for its owner alone: there is the whole new file,
// or what was there before. Blocks as long as the disk takes.
void writeWholeFile(const std::string& path, std::span<const std::byte> bytes);

std::vector<std::byte> readWholeFile(const std::string& path, std::size_t mostBytes);

// Makes the folder where it is not there yet, for its owner alone; the one above it must be there.
void makeFolder(const std::string& path);

}  // namespace troupe::os
