// A file that lines are added to, at a place that whoever writes it remembers: so that a successor can write the same once more to the same
// place, and nothing comes out half or twice.
//
// Older files are called as it is, with ".1" behind it, the youngest, ".2", and so on.
//
// Lock:    a process that has opened it is the only one; others are told so.
// Errors:  system, naming the file.
// Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "os/fd.h"

namespace troupe::os {

// Which file, and how far it is whole.
struct FilePlace {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t bytes = 0;
  bool sameFile(const FilePlace& other) const { return device == other.device && inode == other.inode; }
  friend bool operator==(const FilePlace&, const FilePlace&) = default;
};

class LogFile {
 public:
  LogFile() = default;
  explicit LogFile(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  // The file that is there now, and its length: opens it, makes it, or, where another has come to its place, opens that.
  // Errors: also invalid, where another process has it.
  FilePlace open();
  // Of the file that is open.
  bool endsInLine(std::uint64_t bytes) const;
  struct Written {
    std::size_t bytes = 0;
    int error = 0;  // errno, where that is not all
  };
  Written write(std::string_view text, std::uint64_t at) const;
  // What lies behind goes.
  void cut(std::uint64_t bytes) const;
  // It becomes the first of so many older files, the last of which goes; open() makes it anew. Killed on the way, it goes on where it was.
  void shift(unsigned older);

 private:
  std::string path_;
  Fd file_;
  FilePlace opened_;
};

// A file that is as large as it may be is an error to who writes it, and no signal.
void ignoreFileLimit();

}  // namespace troupe::os
