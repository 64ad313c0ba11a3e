// A play of actors.
#include <map>

#include "tests/bench/compare/in_app.h"
#include "tests/bench/compare/play.h"

namespace troupe::bench {

namespace {

std::string nameOf(std::uint32_t member) { return "/player" + std::to_string(member); }

class ActorPost final : public Post {
 public:
  explicit ActorPost(std::uint32_t me) : me_(me) {}
  std::uint32_t me() const override { return me_; }
  void send(std::uint32_t to, std::uint32_t kind, std::uint64_t value) override {
    players_.at(to).tell(me_, kind, value);
  }
  void know(std::uint32_t member, Ref<Player> ref) { players_.emplace(member, std::move(ref)); }

 private:
  std::uint32_t me_;
  std::map<std::uint32_t, Ref<Player>> players_;
};

Note noteOf(Player::TellParams::Reader in) { return {in.getFrom(), in.getKind(), in.getValue()}; }

class Member final : public Actor<Member, Player> {
 public:
  Member(const Play* play, std::uint32_t me) : play_(play), post_(me), part_(play->cast(me)) {}
  void tell(TellParams in) { part_->on(noteOf(in), post_); }
  Task<> meet(MeetParams, MeetResults) {
    std::vector<std::uint32_t> partners;
    if (play_->partners) partners = play_->partners(post_.me());
    for (std::uint32_t i = 1; i <= play_->members && !play_->partners; ++i) partners.push_back(i);
    partners.push_back(kDirector);
    for (const std::uint32_t each : partners) {
      auto ref = co_await find<Player>(nameOf(each));
      post_.know(each, std::move(ref));
    }
  }
  void outcome(OutcomeParams, OutcomeResults out) { out.refuse("only the director knows"); }

 private:
  const Play* play_;  // in memory that was there before the fork
  ActorPost post_;
  std::unique_ptr<Part> part_;
};

class Director final : public Actor<Director, Player> {
 public:
  explicit Director(const Play* play) : play_(play), post_(kDirector) {}
  void tell(TellParams in) {
    const Note note = noteOf(in);
    if (note.kind == kBegin) return begin();
    if (note.kind != kDone) fail("the director was sent something else");
    sum_ += note.value;
    if (++done_ == play_->done) took_ = now() - before_;
  }
  Task<> meet(MeetParams, MeetResults) {
    for (std::uint32_t i = 1; i <= play_->members; ++i) {
      auto ref = co_await find<Player>(nameOf(i));
      post_.know(i, std::move(ref));
    }
  }
  void outcome(OutcomeParams, OutcomeResults out) {
    out.setDone(done_);
    out.setSum(sum_);
    out.setNanoseconds(took_);
  }

 private:
  void begin() {
    before_ = now();
    for (std::uint32_t i = 1; i <= play_->members; ++i) post_.send(i, kBegin, 0);
  }

  const Play* play_;
  ActorPost post_;
  std::uint32_t done_ = 0;
  std::uint64_t sum_ = 0;
  double before_ = 0;
  double took_ = 0;
};

Task<double> direct(Self& self, const Play& play) {
  auto director = (co_await self.find<Player>(nameOf(kDirector))).within(kForever);
  for (std::uint32_t i = 1; i <= play.members; ++i) {
    auto player = co_await self.find<Player>(nameOf(i));
    co_await player.within(kForever).meet();
  }
  co_await director.meet();
  co_await director.tell(kDirector, kBegin, 0);
  for (;;) {
    const auto outcome = co_await director.outcome();
    if (outcome->getDone() == play.done) {
      if (outcome->getSum() != play.sum) fail("another sum");
      co_return outcome->getNanoseconds();
    }
    co_await self.sleepFor(std::chrono::milliseconds(5));
  }
}

}  // namespace

double playWithActors(const Play& play) {
  return inApp(
      [&](App& app) {
        const ChildSpec spec{.mailboxBytes = play.mailboxBytes};
        app.child<Director>(nameOf(kDirector).substr(1), {}, &play);
        for (std::uint32_t i = 1; i <= play.members; ++i)
          app.child<Member>(nameOf(i).substr(1), spec, &play, i);
      },
      [&play](Self& self) { return direct(self, play); });
}

}  // namespace troupe::bench
