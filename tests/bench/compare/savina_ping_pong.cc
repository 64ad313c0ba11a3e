// Savina's ping-pong: there and back with casts.
#include "tests/bench/compare/play.h"

namespace troupe::bench {

namespace {

constexpr std::uint32_t kPing = kFirstKind;
constexpr std::uint32_t kPong = kFirstKind + 1;
constexpr std::uint32_t kPinger = 1;
constexpr std::uint32_t kPonger = 2;

std::uint64_t trips() { return effort(20'000); }

class Pinger final : public Part {
 public:
  void on(const Note& note, Post& post) override {
    if (note.kind == kPong) sum_ += note.value;
    if (sent_ == trips()) return post.send(kDirector, kDone, sum_);
    post.send(kPonger, kPing, valueOf(sent_++));
  }

 private:
  std::uint64_t sent_ = 0;
  std::uint64_t sum_ = 0;
};

class Ponger final : public Part {
 public:
  void on(const Note& note, Post& post) override {
    if (note.kind == kPing) post.send(note.from, kPong, note.value);
  }
};

Play play() {
  Play play;
  play.members = 2;
  play.cast = [](std::uint32_t member) -> std::unique_ptr<Part> {
    if (member == kPinger) return std::make_unique<Pinger>();
    return std::make_unique<Ponger>();
  };
  play.done = 1;
  play.sum = sumOf(trips());
  return play;
}

}  // namespace

void addPingPong(Figures& figures) {
  addPlay(figures, "Savina ping-pong, there and back", "us", play,
          [](double took) { return took / 1000 / static_cast<double>(trips()); });
}

}  // namespace troupe::bench
