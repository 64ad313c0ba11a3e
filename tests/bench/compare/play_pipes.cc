// A play of processes that have nothing but a pipe each.
#include "tests/bench/compare/play.h"
#include "tests/bench/compare/raw_pipe.h"
#include "tests/unit/os/children.h"

namespace troupe::bench {

namespace {

using Inboxes = std::vector<std::unique_ptr<Pipe>>;

class PipePost final : public Post {
 public:
  PipePost(const Inboxes& inboxes, std::uint32_t me) : inboxes_(inboxes), me_(me) {}
  std::uint32_t me() const override { return me_; }
  void send(std::uint32_t to, std::uint32_t kind, std::uint64_t value) override {
    const Note note{me_, kind, value};
    if (::write(inboxes_[to]->ends[1], &note, sizeof note) != sizeof note) failOfSystem("a write failed");
  }
  Note receive() {
    if (at_ == end_) {
      const ssize_t got = ::read(inboxes_[me_]->ends[0], notes_.data(), sizeof notes_);
      if (got <= 0 || static_cast<std::size_t>(got) % sizeof(Note) != 0) failOfSystem("a read failed");
      at_ = 0;
      end_ = static_cast<std::size_t>(got) / sizeof(Note);
    }
    return notes_[at_++];
  }

 private:
  const Inboxes& inboxes_;
  std::uint32_t me_;
  std::array<Note, 256> notes_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
};

}  // namespace

double playWithPipes(const Play& play) {
  Inboxes inboxes;
  for (std::uint32_t i = 0; i <= play.members; ++i) inboxes.push_back(std::make_unique<Pipe>());
  std::vector<std::unique_ptr<os::test::Child>> members;
  for (std::uint32_t i = 1; i <= play.members; ++i) {
    members.push_back(std::make_unique<os::test::Child>([&]() -> int {
      const auto part = play.cast(i);
      for (PipePost post(inboxes, i);;) part->on(post.receive(), post);
    }));
  }
  PipePost post(inboxes, kDirector);
  const double before = now();
  for (std::uint32_t i = 1; i <= play.members; ++i) post.send(i, kBegin, 0);
  std::uint64_t sum = 0;
  for (std::uint32_t done = 0; done < play.done; ++done) {
    const Note note = post.receive();
    if (note.kind != kDone) fail("the director was sent something else");
    sum += note.value;
  }
  const double took = now() - before;
  if (sum != play.sum) fail("another sum");
  return took;
}

void addPlay(Figures& figures, const std::string& workload, const std::string& unit,
             const std::function<Play()>& play, const std::function<double(double)>& figureOf) {
  figures.push_back({workload, "processes and pipes", unit, [=] { return figureOf(playWithPipes(play())); }});
  figures.push_back({workload, "Troupe, casts", unit, [=] { return figureOf(playWithActors(play())); }});
}

}  // namespace troupe::bench
