// Savina's big: all send to all, each to one at random after the other, and wait for the answer.
#include <random>

#include "tests/bench/compare/play.h"

namespace troupe::bench {

namespace {

constexpr std::uint32_t kPing = kFirstKind;
constexpr std::uint32_t kPong = kFirstKind + 1;
constexpr std::uint32_t kMembers = 20;

std::uint64_t pings() { return effort(1500); }

class Member final : public Part {
 public:
  explicit Member(std::uint32_t seed) : random_(seed) {}
  void on(const Note& note, Post& post) override {
    if (note.kind == kPing) return post.send(note.from, kPong, note.value);
    if (note.kind == kPong && note.value != valueOf(answered_++)) fail("another answer");
    if (answered_ == pings()) return post.send(kDirector, kDone, answered_);
    const auto other = static_cast<std::uint32_t>(random_() % (kMembers - 1)) + 1;
    post.send(other < post.me() ? other : other + 1, kPing, valueOf(answered_));
  }

 private:
  std::minstd_rand random_;
  std::uint64_t answered_ = 0;
};

Play play() {
  Play play;
  play.members = kMembers;
  play.cast = [](std::uint32_t member) { return std::make_unique<Member>(member); };
  play.done = kMembers;
  play.sum = kMembers * pings();
  return play;
}

}  // namespace

void addBig(Figures& figures) {
  addPlay(figures, "Savina big, 20, there and back", "us", play,
          [](double took) { return took / 1000 / static_cast<double>(kMembers * pings()); });
}

}  // namespace troupe::bench
