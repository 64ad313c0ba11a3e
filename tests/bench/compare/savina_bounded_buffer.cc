// Savina's bounded buffer: producers wait while it is full, consumers while it is empty.
#include <deque>

#include "tests/bench/compare/play.h"

namespace troupe::bench {

namespace {

constexpr std::uint32_t kPut = kFirstKind;
constexpr std::uint32_t kRoom = kFirstKind + 1;
constexpr std::uint32_t kTake = kFirstKind + 2;
constexpr std::uint32_t kItem = kFirstKind + 3;
constexpr std::uint32_t kOver = kFirstKind + 4;
constexpr std::uint32_t kBuffer = 1;
constexpr std::uint32_t kProducers = 5;
constexpr std::uint32_t kConsumers = 5;
constexpr std::size_t kPlaces = 50;

std::uint64_t itemsOfEach() { return effort(3000); }

class Buffer final : public Part {
 public:
  void on(const Note& note, Post& post) override {
    if (note.kind == kPut) putters_.push_back(note);
    if (note.kind == kTake) takers_.push_back(note.from);
    while (!putters_.empty() && items_.size() < kPlaces) {
      items_.push_back(putters_.front().value);
      post.send(putters_.front().from, kRoom);
      putters_.pop_front();
    }
    while (!takers_.empty() && !items_.empty()) {
      post.send(takers_.front(), kItem, items_.front());
      items_.pop_front();
      takers_.pop_front();
      ++taken_;
    }
    while (!takers_.empty() && taken_ == kProducers * itemsOfEach()) {
      post.send(takers_.front(), kOver);
      takers_.pop_front();
    }
  }

 private:
  std::deque<Note> putters_;
  std::deque<std::uint32_t> takers_;
  std::deque<std::uint64_t> items_;
  std::uint64_t taken_ = 0;
};

class Producer final : public Part {
 public:
  void on(const Note&, Post& post) override {
    if (put_ < itemsOfEach()) post.send(kBuffer, kPut, valueOf(put_++));
  }

 private:
  std::uint64_t put_ = 0;
};

class Consumer final : public Part {
 public:
  void on(const Note& note, Post& post) override {
    if (note.kind == kOver) return post.send(kDirector, kDone, sum_);
    sum_ += note.value;  // 0 where the play begins
    post.send(kBuffer, kTake);
  }

 private:
  std::uint64_t sum_ = 0;
};

Play play() {
  Play play;
  play.members = 1 + kProducers + kConsumers;
  play.cast = [](std::uint32_t member) -> std::unique_ptr<Part> {
    if (member == kBuffer) return std::make_unique<Buffer>();
    if (member <= kBuffer + kProducers) return std::make_unique<Producer>();
    return std::make_unique<Consumer>();
  };
  play.done = kConsumers;
  play.sum = kProducers * sumOf(itemsOfEach());
  return play;
}

}  // namespace

void addBoundedBuffer(Figures& figures) {
  addPlay(figures, "Savina bounded buffer, an item", "us", play,
          [](double took) { return took / 1000 / static_cast<double>(kProducers * itemsOfEach()); });
}

}  // namespace troupe::bench
