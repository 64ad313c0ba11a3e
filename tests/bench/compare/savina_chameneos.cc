// Savina's chameneos: creatures meet in pairs at a mall, and take on the colour that neither has.
#include "tests/bench/compare/play.h"

namespace troupe::bench {

namespace {

constexpr std::uint32_t kMeet = kFirstKind;
constexpr std::uint32_t kMet = kFirstKind + 1;
constexpr std::uint32_t kOver = kFirstKind + 2;
constexpr std::uint32_t kCreatures = 10;
constexpr std::uint32_t kMall = kCreatures + 1;

std::uint64_t meetings() { return effort(10'000); }

// One of the colours 0, 1 and 2.
std::uint64_t complement(std::uint64_t mine, std::uint64_t other) {
  return mine == other ? mine : 3 - mine - other;
}

class Creature final : public Part {
 public:
  explicit Creature(std::uint64_t colour) : colour_(colour) {}
  void on(const Note& note, Post& post) override {
    if (note.kind == kOver) return post.send(kDirector, kDone, met_);
    if (note.kind == kMet) {
      ++met_;
      colour_ = complement(colour_, note.value);
    }
    post.send(kMall, kMeet, colour_);
  }

 private:
  std::uint64_t colour_;
  std::uint64_t met_ = 0;
};

class Mall final : public Part {
 public:
  void on(const Note& note, Post& post) override {
    if (note.kind != kMeet) return;
    if (note.value > 2) fail("no such colour");
    if (meetings_ == meetings()) return post.send(note.from, kOver);
    if (first_.from == 0) {
      first_ = note;
      return;
    }
    post.send(first_.from, kMet, note.value);
    post.send(note.from, kMet, first_.value);
    first_ = {};
    ++meetings_;
  }

 private:
  Note first_;  // who waits, if anybody does
  std::uint64_t meetings_ = 0;
};

Play play() {
  Play play;
  play.members = kMall;
  play.cast = [](std::uint32_t member) -> std::unique_ptr<Part> {
    if (member == kMall) return std::make_unique<Mall>();
    return std::make_unique<Creature>(member % 3);
  };
  play.done = kCreatures;
  play.sum = 2 * meetings();
  return play;
}

}  // namespace

void addChameneos(Figures& figures) {
  addPlay(figures, "Savina chameneos, a meeting", "us", play,
          [](double took) { return took / 1000 / static_cast<double>(meetings()); });
}

}  // namespace troupe::bench
