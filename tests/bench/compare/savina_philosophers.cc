// Savina's philosophers: an arbitrator gives both forks, or says no, and then they ask again.
#include <array>

#include "tests/bench/compare/play.h"

namespace troupe::bench {

namespace {

constexpr std::uint32_t kHungry = kFirstKind;
constexpr std::uint32_t kEat = kFirstKind + 1;
constexpr std::uint32_t kDenied = kFirstKind + 2;
constexpr std::uint32_t kEaten = kFirstKind + 3;
constexpr std::uint32_t kArbitrator = 1;
constexpr std::uint32_t kPhilosophers = 5;

std::uint64_t meals() { return effort(2000); }

class Arbitrator final : public Part {
 public:
  void on(const Note& note, Post& post) override {
    if (note.kind == kBegin) return;
    bool& left = taken_[note.from % kPhilosophers];
    bool& right = taken_[(note.from + 1) % kPhilosophers];
    if (note.kind == kEaten) {
      if (!left || !right) fail("somebody has eaten without forks");
      left = right = false;
      return;
    }
    const bool free = !left && !right;
    if (free) left = right = true;
    post.send(note.from, free ? kEat : kDenied);
  }

 private:
  std::array<bool, kPhilosophers> taken_{};
};

class Philosopher final : public Part {
 public:
  void on(const Note& note, Post& post) override {
    if (note.kind == kEat) {
      post.send(kArbitrator, kEaten);
      ++eaten_;
    }
    if (eaten_ == meals()) return post.send(kDirector, kDone, eaten_);
    post.send(kArbitrator, kHungry);
  }

 private:
  std::uint64_t eaten_ = 0;
};

Play play() {
  Play play;
  play.members = 1 + kPhilosophers;
  play.cast = [](std::uint32_t member) -> std::unique_ptr<Part> {
    if (member == kArbitrator) return std::make_unique<Arbitrator>();
    return std::make_unique<Philosopher>();
  };
  play.done = kPhilosophers;
  play.sum = kPhilosophers * meals();
  return play;
}

}  // namespace

void addPhilosophers(Figures& figures) {
  addPlay(figures, "Savina philosophers, a meal", "us", play,
          [](double took) { return took / 1000 / static_cast<double>(kPhilosophers * meals()); });
}

}  // namespace troupe::bench
