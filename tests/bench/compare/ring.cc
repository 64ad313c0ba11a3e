// A token goes round a hundred: Savina's thread ring.
#include "tests/bench/compare/play.h"

namespace troupe::bench {

namespace {

constexpr std::uint32_t kToken = kFirstKind;
constexpr std::uint32_t kMembers = 100;

std::uint64_t hops() { return effort(30'000); }

class Link final : public Part {
 public:
  void on(const Note& note, Post& post) override {
    const std::uint32_t next = post.me() % kMembers + 1;
    if (note.kind == kBegin && post.me() == 1) return post.send(next, kToken, hops());
    if (note.kind != kToken) return;
    if (note.value == 1) return post.send(kDirector, kDone, post.me());
    post.send(next, kToken, note.value - 1);
  }
};

Play play() {
  Play play;
  play.members = kMembers;
  play.cast = [](std::uint32_t) { return std::make_unique<Link>(); };
  play.partners = [](std::uint32_t member) { return std::vector<std::uint32_t>{member % kMembers + 1}; };
  play.done = 1;
  play.sum = hops() % kMembers + 1;  // where it ends
  return play;
}

}  // namespace

void addRing(Figures& figures) {
  addPlay(figures, "thread ring of 100, a hop", "us", play,
          [](double took) { return took / 1000 / static_cast<double>(hops()); });
}

}  // namespace troupe::bench
