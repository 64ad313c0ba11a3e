// Savina's counting: one counts what the other sends.
#include "tests/bench/compare/play.h"

namespace troupe::bench {

namespace {

constexpr std::uint32_t kIncrement = kFirstKind;
constexpr std::uint32_t kMore = kFirstKind + 1;
constexpr std::uint32_t kProducer = 1;
constexpr std::uint32_t kCounter = 2;
constexpr std::uint64_t kBatch = 64;  // two of them are under way at most

std::uint64_t batches() { return effort(5000); }

class Producer final : public Part {
 public:
  void on(const Note& note, Post& post) override {
    if (note.kind == kBegin) send(post);
    send(post);
  }

 private:
  void send(Post& post) {
    if (sent_ == batches()) return;
    for (std::uint64_t i = 0; i < kBatch; ++i) post.send(kCounter, kIncrement, valueOf(sent_ * kBatch + i));
    ++sent_;
  }

  std::uint64_t sent_ = 0;
};

class Counter final : public Part {
 public:
  void on(const Note& note, Post& post) override {
    if (note.kind != kIncrement) return;
    sum_ += note.value;
    if (++count_ % kBatch == 0) post.send(kProducer, kMore, 0);
    if (count_ == batches() * kBatch) post.send(kDirector, kDone, sum_);
  }

 private:
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
};

Play play() {
  Play play;
  play.members = 2;
  play.cast = [](std::uint32_t member) -> std::unique_ptr<Part> {
    if (member == kProducer) return std::make_unique<Producer>();
    return std::make_unique<Counter>();
  };
  play.done = 1;
  play.sum = sumOf(batches() * kBatch);
  return play;
}

}  // namespace

void addCounting(Figures& figures) {
  addPlay(figures, "Savina counting", "M/s", play,
          [](double took) { return static_cast<double>(batches() * kBatch) / took * 1000; });
}

}  // namespace troupe::bench
