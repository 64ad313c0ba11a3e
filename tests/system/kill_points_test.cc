// An actor is killed at each step of what the framework does with a message. Each message is handled once all
// the same, or is the one that was in hand; what is kept, what is sent on and what is answered agree with it.
//
// main -> /middle -> /sink, and /middle -> /sleeper, which does not read before the end. One of the first two
// is killed, as receiver and as sender.
#include <sys/mman.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>

#include "os/kill_point.h"
#include "stations.actor.h"
#include "tests/support/app_run.h"
#include "tests/support/puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::OnCrash;
using troupe::Ref;

constexpr std::uint32_t kMost = 1024;    // numbers of messages
constexpr std::uint32_t kWhispers = 12;  // that go to the sleeper as well
constexpr std::uint32_t kBatch = 8;

// How often a handler has begun with a message, whatever became of its turn.
struct Handlings {
  std::atomic<std::uint8_t> pass[kMost];
  std::atomic<std::uint8_t> ask[kMost];
};
Handlings& handlingsOf(const std::string& path) {
  static auto* const all = static_cast<Handlings*>(
      ::mmap(nullptr, 3 * sizeof(Handlings), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  return all[path == "/middle" ? 0 : path == "/sink" ? 1 : 2];
}

struct Seen {
  std::uint32_t handled = 0;
  std::uint32_t faults = 0;
  std::uint32_t last = 0;
  std::uint8_t passed[kMost] = {};
  std::uint8_t asked[kMost] = {};
};

class StationActor : public troupe::Actor<StationActor, Station> {
 public:
  explicit StationActor(std::vector<std::string> next) : names_(std::move(next)) {}

  Task<> init() {
    for (const std::string& name : names_) next_.push_back((co_await find<Station>(name)).within(30s));
  }

  Task<> pass(PassParams in) {
    ++handlingsOf(path()).pass[in.getNumber()];
    Seen& seen = seen_.change();
    if (seen.passed[in.getNumber()]++ != 0 || in.getNumber() <= seen.last) ++seen.faults;
    seen.last = in.getNumber();
    ++seen.handled;
    if (path() == "/sleeper") co_await until(self(), "the end", std::function<bool()>(mayWake));
    for (std::size_t i = 0; i < next_.size() && (i == 0 || in.getNumber() <= kWhispers); ++i)
      co_await next_[i].pass(in.getNumber(), in.getText().cStr());
  }

  Task<> ask(AskParams in, AskResults out) {
    ++handlingsOf(path()).ask[in.getNumber()];
    bool reached = next_.empty();
    try {
      if (!reached) reached = (co_await next_.front().ask(in.getNumber()))->getReached();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::crashed) throw;
    }
    Seen& seen = seen_.change();
    seen.asked[in.getNumber()] = 1;
    ++seen.handled;
    out.setReached(reached);
  }

  void seen(SeenParams, SeenResults out) {
    out.setPassed(kj::arrayPtr(seen_->passed, kMost));
    out.setAsked(kj::arrayPtr(seen_->asked, kMost));
    out.setHandled(seen_->handled);
    out.setFaults(seen_->faults);
  }

 private:
  static bool mayWake() { return Board::shared().count("wake") > 0; }

  std::vector<std::string> names_;
  std::vector<Ref<Station>> next_;
  troupe::Kept<Seen> seen_{*this, "seen"};
};

using Numbers = std::set<std::uint32_t>;

struct Report {
  Numbers passed;
  Numbers asked;
};

Task<Report> reportOf(Ref<Station> station) {
  const auto seen = co_await station.seen();
  Report report;
  for (std::uint32_t number = 0; number < kMost; ++number) {
    if (seen->getPassed()[number] != 0) report.passed.insert(number);
    if (seen->getAsked()[number] != 0) report.asked.insert(number);
  }
  EXPECT_EQ(seen->getFaults(), 0U) << station.path();
  EXPECT_EQ(seen->getHandled(), report.passed.size() + report.asked.size())
      << station.path() << ": what is kept is what was handled";
  co_return report;
}

Numbers missing(const Numbers& from, const Numbers& those) {
  Numbers left;
  std::set_difference(those.begin(), those.end(), from.begin(), from.end(), std::inserter(left, left.end()));
  return left;
}

// What becomes of the messages of one life of the app.
struct Plan {
  std::string kills;
  unsigned retries = 0;
  std::uint32_t messages = 160;
  std::size_t textBytes = 20;

  unsigned deathsOf(const std::string& path) const {
    unsigned deaths = 0;
    for (auto at = kills.find("@" + path); at != std::string::npos; at = kills.find("@" + path, at + 1))
      ++deaths;
    return deaths;
  }
  // Messages that may be lost by the death of `path`.
  std::size_t lost(const std::string& path) const { return retries > 0 ? 0 : deathsOf(path); }
};

class Run {
 public:
  Run(Self& self, const Plan& plan) : self_(self), plan_(plan) {}

  Task<> check() {
    middle_ = (co_await self_.find<Station>("/middle")).within(30s);
    sink_ = (co_await self_.find<Station>("/sink")).within(30s);
    sleeper_ = (co_await self_.find<Station>("/sleeper")).within(30s);
    const std::string text(plan_.textBytes, 'x');
    for (std::uint32_t number = 1; number <= plan_.messages; ++number) {
      sent_.insert(number);
      if (number % kBatch != 0) {
        co_await middle_.pass(number, text);
        continue;
      }
      // With what stands in the same packet before and behind it.
      auto asking = ask(number);
      co_await middle_.pass(number, text);
      co_await std::move(asking);
    }
    for (std::uint32_t number = plan_.messages + 1; !reached_; ++number) co_await ask(number);
    Board::shared().note("wake");
    co_await checkPasses();
    checkHandlings();
  }

 private:
  Task<> ask(std::uint32_t number) {
    try {
      const auto reply = co_await middle_.ask(number);
      reached_ = reply->getReached();
      answered_.insert(number);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::crashed) << error.message();
      crashed_.insert(number);
    }
  }

  Task<> checkPasses() {
    const Report middle = co_await reportOf(middle_);
    const Report sink = co_await reportOf(sink_);
    const Numbers unhandled = missing(middle.passed, sent_);
    const Numbers unheard = missing(sink.passed, middle.passed);
    EXPECT_LE(unhandled.size() + crashed_.size(), plan_.lost("/middle"));
    EXPECT_LE(unheard.size(), plan_.lost("/sink"));
    EXPECT_EQ(missing(middle.passed, sink.passed), Numbers()) << "heard of what has not happened";
    EXPECT_EQ(middle.asked, answered_) << "what is answered is what was kept";
    EXPECT_LE(missing(sink.asked, middle.asked).size(), plan_.lost("/sink"));

    Numbers whispered;
    for (const auto number : middle.passed) {
      if (number <= kWhispers) whispered.insert(number);
    }
    Numbers heard;
    while (heard.size() < whispered.size()) {
      const Report sleeper = co_await reportOf(sleeper_);
      if (sleeper.passed == heard) co_await self_.sleepFor(5ms);
      heard = sleeper.passed;
    }
    EXPECT_EQ(heard, whispered);
  }

  void checkHandlings() const {
    for (const std::string path : {"/middle", "/sink", "/sleeper"}) {
      const unsigned most = 1 + (plan_.retries > 0 ? plan_.deathsOf(path) : 0);
      for (std::uint32_t number = 0; number < kMost; ++number)
        EXPECT_LE(handlingsOf(path).pass[number], most) << path << " " << number;
    }
  }

  Self& self_;
  const Plan& plan_;
  Ref<Station> middle_, sink_, sleeper_;
  Numbers sent_, answered_, crashed_;
  bool reached_ = false;
};

// One for each entry of the plan: gone when it has happened.
class Tickets {
 public:
  explicit Tickets(const Plan& plan) : count_(plan.deathsOf("/")) {
    path_ = std::filesystem::temp_directory_path() / ("troupe_kill_points." + std::to_string(::getpid()));
    for (unsigned i = 0; i < count_; ++i) std::ofstream(at(i)) << i;
  }
  ~Tickets() {
    for (unsigned i = 0; i < count_; ++i) std::filesystem::remove(at(i));
  }
  Tickets(const Tickets&) = delete;
  const std::string& path() const { return path_; }
  std::string at(unsigned i) const { return path_ + "." + std::to_string(i); }
  unsigned left() const {
    unsigned left = 0;
    for (unsigned i = 0; i < count_; ++i) left += std::filesystem::exists(at(i)) ? 1 : 0;
    return left;
  }

 private:
  std::string path_;
  unsigned count_;
};

void live(const Plan& plan) {
  SCOPED_TRACE(plan.kills);
  Board::shared().clear();
  for (const char* path : {"/middle", "/sink", "/sleeper"}) new (&handlingsOf(path)) Handlings{};
  const Tickets tickets(plan);
  runApp(
      [&](troupe::App& app) {
        const troupe::ChildSpec spec{.onCrash = OnCrash::retry(plan.retries)};
        app.supervise({.maxRestarts = 1000});
        app.child<StationActor>("sleeper", {.mailboxBytes = 4096}, std::vector<std::string>{});
        app.child<StationActor>("sink", spec, std::vector<std::string>{});
        app.child<StationActor>("middle", spec, std::vector<std::string>{"/sink", "/sleeper"});
      },
      [&](Self& self) -> Task<> {
        Run run(self, plan);
        co_await run.check();
      },
      [&] {
        ::setenv("TROUPE_KILL_AT", plan.kills.c_str(), 1);
        ::setenv("TROUPE_KILL_TICKET", tickets.path().c_str(), 1);
      });
  EXPECT_EQ(tickets.left(), 0U) << "it has not come to all these deaths";
}

// How it comes to a death of `path` at that point; empty where it never does.
Plan planFor(const std::string& point, const std::string& path) {
  const std::string here = "@" + path;
  if (point == "judged" && path == "/middle") return {};  // main does not die
  if (point == "judged") return {.kills = "written:5@/middle, judged@/sink"};
  if (point == "introduced") return {.kills = "introduced" + here};
  if (point == "resending") return {.kills = "written:5" + here + ", resending" + here};
  if (point == "moving" && path == "/sink") return {};  // nobody keeps its messages waiting
  if (point == "moving") return {.kills = "moving:3" + here, .messages = 900, .textBytes = 3000};
  // The first start must succeed.
  if (point == "constructed" || point == "beforeReady" || point == "afterReady")
    return {.kills = "begun:5" + here + ", " + point + here};
  return {.kills = point + ":5" + here};
}

}  // namespace

class KillPoints : public testing::TestWithParam<std::string_view> {
 protected:
  void SetUp() override {
#ifndef TROUPE_KILL_POINTS
    GTEST_SKIP() << "built without TROUPE_KILL_POINTS";
#endif
  }
  static void liveWith(Plan plan) {
    if (plan.kills.empty()) return;
    for (const unsigned retries : {0U, 5U}) {
      plan.retries = retries;
      live(plan);
    }
  }
};

TEST_P(KillPoints, KilledThereAReceiverThatSendsOnLosesNothingButWhatIsInHand) {
  liveWith(planFor(std::string(GetParam()), "/middle"));
}

TEST_P(KillPoints, KilledThereTheLastReceiverLosesNothingButWhatIsInHand) {
  liveWith(planFor(std::string(GetParam()), "/sink"));
}

INSTANTIATE_TEST_SUITE_P(All, KillPoints, testing::ValuesIn(troupe::os::kKillPoints),
                         [](const auto& info) { return std::string(info.param); });

using KillPointsTwice = KillPoints;

TEST_P(KillPointsTwice, LoseNothingMore) { liveWith({.kills = std::string(GetParam())}); }

INSTANTIATE_TEST_SUITE_P(
    All, KillPointsTwice,
    testing::Values("written:5@/middle, written@/middle", "storing:9@/middle, numbered@/middle",
                    "committed:5@/middle, committed@/middle, written@/middle",
                    "written:7@/middle, judged@/sink, begun:2@/sink",
                    "released:3@/sink, begun:3@/middle, keeping:4@/sink, storing:3@/middle",
                    "begun:5@/sink, begun@/sink, begun@/sink"));

}  // namespace tests
