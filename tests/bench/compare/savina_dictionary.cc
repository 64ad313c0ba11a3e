// Savina's concurrent dictionary: all read and write one, a write in ten.
#include <random>
#include <unordered_map>

#include "tests/bench/compare/play.h"

namespace troupe::bench {

namespace {

constexpr std::uint32_t kRead = kFirstKind;
constexpr std::uint32_t kWrite = kFirstKind + 1;
constexpr std::uint32_t kEntry = kFirstKind + 2;
constexpr std::uint32_t kDictionary = 1;
constexpr std::uint32_t kWorkers = 10;
constexpr std::uint64_t kKeys = 1000;

std::uint64_t requests() { return effort(2000); }

// Key and value in one number: a key has always the same value.
std::uint64_t entryOf(std::uint64_t key) { return key << 32 | (key * 2654435761 & 0xffffffff); }

class Dictionary final : public Part {
 public:
  void on(const Note& note, Post& post) override {
    if (note.kind == kBegin) return;
    const std::uint64_t key = note.value >> 32;
    if (note.kind == kWrite) entries_[key] = note.value;
    const auto found = entries_.find(key);
    post.send(note.from, kEntry, found == entries_.end() ? key << 32 : found->second);
  }

 private:
  std::unordered_map<std::uint64_t, std::uint64_t> entries_;
};

class Worker final : public Part {
 public:
  explicit Worker(std::uint32_t seed) : random_(seed) {}
  void on(const Note& note, Post& post) override {
    if (note.kind == kEntry) {
      const bool known = note.value == entryOf(key_);
      if (!known && (wrote_ || note.value != key_ << 32)) fail("another entry");
      ++answered_;
    }
    if (answered_ == requests()) return post.send(kDirector, kDone, answered_);
    key_ = random_() % kKeys + 1;
    wrote_ = random_() % 10 == 0;
    post.send(kDictionary, wrote_ ? kWrite : kRead, wrote_ ? entryOf(key_) : key_ << 32);
  }

 private:
  std::minstd_rand random_;
  std::uint64_t key_ = 0;
  bool wrote_ = false;
  std::uint64_t answered_ = 0;
};

Play play() {
  Play play;
  play.members = 1 + kWorkers;
  play.cast = [](std::uint32_t member) -> std::unique_ptr<Part> {
    if (member == kDictionary) return std::make_unique<Dictionary>();
    return std::make_unique<Worker>(member);
  };
  play.done = kWorkers;
  play.sum = kWorkers * requests();
  return play;
}

}  // namespace

void addDictionary(Figures& figures) {
  addPlay(figures, "Savina dictionary, a request", "us", play,
          [](double took) { return took / 1000 / static_cast<double>(kWorkers * requests()); });
}

}  // namespace troupe::bench
