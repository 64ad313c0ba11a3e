// One asks a hundred others, and goes on when all have answered.
#include "tests/bench/compare/play.h"

namespace troupe::bench {

namespace {

constexpr std::uint32_t kAsk = kFirstKind;
constexpr std::uint32_t kAnswer = kFirstKind + 1;
constexpr std::uint32_t kOthers = 100;
constexpr std::uint32_t kAsker = 1;

std::uint64_t rounds() { return effort(300); }

class Asker final : public Part {
 public:
  void on(const Note& note, Post& post) override {
    if (note.kind == kAnswer) {
      sum_ += note.value;
      if (++answers_ < kOthers) return;
      answers_ = 0;
      if (++round_ == rounds()) return post.send(kDirector, kDone, sum_);
    }
    for (std::uint32_t i = 0; i < kOthers; ++i) post.send(kAsker + 1 + i, kAsk, valueOf(round_));
  }

 private:
  std::uint64_t round_ = 0;
  std::uint32_t answers_ = 0;
  std::uint64_t sum_ = 0;
};

class Answerer final : public Part {
 public:
  void on(const Note& note, Post& post) override {
    if (note.kind == kAsk) post.send(note.from, kAnswer, note.value);
  }
};

Play play() {
  Play play;
  play.members = kOthers + 1;
  play.cast = [](std::uint32_t member) -> std::unique_ptr<Part> {
    if (member == kAsker) return std::make_unique<Asker>();
    return std::make_unique<Answerer>();
  };
  play.partners = [](std::uint32_t member) {
    std::vector<std::uint32_t> others;
    for (std::uint32_t i = 0; i < kOthers && member == kAsker; ++i) others.push_back(kAsker + 1 + i);
    if (member != kAsker) others.push_back(kAsker);
    return others;
  };
  play.done = 1;
  play.sum = kOthers * sumOf(rounds());
  return play;
}

}  // namespace

void addFanOut(Figures& figures) {
  const std::string workload = "fan-out to 100 and back";
  const auto microseconds = [](double took) { return took / 1000 / static_cast<double>(rounds()); };
  addPlay(figures, workload, "us", play, microseconds);
  // A packet takes 4096 bytes of a mailbox, so that 16 of the answers fill an ordinary one: it has to grow first.
  figures.push_back({workload, "Troupe, casts, 1 MiB mailboxes", "us", [=] {
                       Play roomy = play();
                       roomy.mailboxBytes = std::size_t{1} << 20;
                       return microseconds(playWithActors(roomy));
                     }});
}

}  // namespace troupe::bench
