// An append-only file of numbered notes, which outlives whoever writes it. Each note is one write(2): whole,
// or not there.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace tests {

struct Note {
  std::uint64_t kind = 0;
  std::uint64_t number = 0;
};

class Ledger {
 public:
  explicit Ledger(const std::string& path)
      : fd_(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) {}
  Ledger(Ledger&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Ledger() { ::close(fd_); }

  void add(Note note) const {
    if (::write(fd_, &note, sizeof note) != sizeof note) std::abort();
  }

  static std::vector<Note> read(const std::string& path) {
    std::vector<Note> notes;
    std::ifstream file(path, std::ios::binary);
    for (Note note; file.read(reinterpret_cast<char*>(&note), sizeof note);) notes.push_back(note);
    return notes;
  }

 private:
  int fd_;
};

}  // namespace tests
