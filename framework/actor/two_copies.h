// A value in shared memory that many read while one writes it, each of whom may die at any instruction.
//
// There are two copies, and a count of the values that it has had: its lowest bit says which copy counts. A writer fills the other one,
// and counts on: one store. So a writer that dies has changed nothing, or all, and the next one finds nothing to repair.
//
// Reading: needs no lock, and waits for nobody. A copy is written over only by the writer after the next: so a reader has to begin anew
//          only where one writer has finished and another has begun meanwhile.
// Writing: one at a time, under a lock that makes what the last writer has done visible to the next.
// Threads: any, of any process.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace troupe::actor {

// Zero at first.
struct CopyCounts {
  std::atomic<std::uint64_t> begun;    // the value that is being written, or was last
  std::atomic<std::uint64_t> counted;  // the value that is there
};

class TwoCopies {
 public:
  using Word = std::atomic<std::uint64_t>;

  // Of one copy.
  static constexpr std::size_t wordsFor(std::size_t bytes) {
    return (bytes + sizeof(Word) - 1) / sizeof(Word);
  }

  // `words` has two copies, one behind the other.
  TwoCopies(CopyCounts& counts, Word* words, std::size_t bytes)
      : counts_(counts), words_(words), bytes_(bytes) {}

  // False where the counts are such as no writer leaves them: somebody else has written there.
  bool read(void* to) const;

  // In two steps, between which nothing counts yet.
  void prepare(const void* from);
  void count();

 private:
  Word* copy(std::uint64_t value) const { return words_ + (value & 1) * wordsFor(bytes_); }

  CopyCounts& counts_;
  Word* words_;
  std::size_t bytes_;
};

}  // namespace troupe::actor
