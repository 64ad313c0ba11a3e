#include "tests/support/board.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>

namespace tests {

namespace {
constexpr std::size_t kNotes = 16384;
struct Note {
  std::atomic<bool> written;
  std::array<char, 63> text;
};
}  // namespace

struct Board::Memory {
  std::atomic<std::size_t> count;
  Note notes[kNotes];
};

Board::Board() {
  void* const place =
      ::mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) std::abort();
  memory_ = static_cast<Memory*>(place);
}

Board& Board::shared() {
  static Board board;
  return board;
}

// Made before anything is forked.
[[maybe_unused]] static Board& made = Board::shared();

void Board::clear() {
  for (std::size_t i = 0; i < std::min(memory_->count.load(), kNotes); ++i) memory_->notes[i].written = false;
  memory_->count = 0;
}

void Board::note(const std::string& text) {
  const std::size_t index = memory_->count++;
  if (index >= kNotes) return;
  Note& note = memory_->notes[index];
  const std::size_t length = std::min(text.size(), note.text.size() - 1);
  std::copy_n(text.begin(), length, note.text.begin());
  note.text[length] = '\0';
  note.written = true;
}

std::vector<std::string> Board::notes() const {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < std::min(memory_->count.load(), kNotes); ++i) {
    if (memory_->notes[i].written) all.emplace_back(memory_->notes[i].text.data());
  }
  return all;
}

std::size_t Board::count(const std::string& text) const {
  const auto all = notes();
  return static_cast<std::size_t>(std::count(all.begin(), all.end(), text));
}

std::vector<std::string> Board::notesAfter(const std::string& prefix) const {
  std::vector<std::string> found;
  for (const std::string& note : notes()) {
    if (note.starts_with(prefix)) found.push_back(note.substr(prefix.size()));
  }
  return found;
}

}  // namespace tests
