#include "tests/support/stations.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <set>
#include <sstream>
#include <stdexcept>

#include "stations.actor.h"
#include "tests/support/app_run.h"
#include "tests/support/arenas.h"
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
constexpr const char* kPlanVariable = "TROUPE_TEST_PLAN";

// Of this life, in each of its processes.
Plan thePlan;

// Each message has its own. Some of the large ones leave a block almost empty.
std::string textFor(std::uint32_t number) {
  std::size_t bytes = number % 3 == 0 ? 4060 : 20'000;
  if (thePlan.size == Size::small ||
      (thePlan.size == Size::firstLarge && (number > kWhispers || number % 2 == 0)))
    bytes = thePlan.textBytes;
  if (thePlan.size == Size::mebibyte) bytes = std::size_t{1} << 20;
  return std::string(bytes, static_cast<char>('a' + number % 26));
}

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
    if (imageName() == "init-throws") throw std::runtime_error("a newer failure");
    for (const std::string& name : names_) {
      try {
        next_.push_back((co_await find<Station>(name)).within(5min));
      } catch (const Error& error) {
        if (name != "/guest") throw;
      }
    }
  }

  Task<> pass(PassParams in) {
    if (path() == "/guest") {
      co_await until(self(), "it may go", std::function<bool()>(mayGo));
      ::_exit(0);
    }
    ++handlingsOf(path()).pass[in.getNumber()];
    Seen& seen = seen_.change();
    if (seen.passed[in.getNumber()]++ != 0 || in.getNumber() <= seen.last) ++seen.faults;
    if (textFor(in.getNumber()) != in.getText().cStr()) ++seen.faults;
    seen.last = in.getNumber();
    ++seen.handled;
    if (path() == "/sleeper") co_await until(self(), "the end", std::function<bool()>(mayWake));
    for (std::size_t i = 0; i < next_.size() && (i != 1 || in.getNumber() <= kWhispers); ++i)
      co_await next_[i].pass(in.getNumber(), in.getText().cStr());
  }

  Task<> ask(AskParams in, AskResults out) {
    ++handlingsOf(path()).ask[in.getNumber()];
    bool reached = next_.empty();
    try {
      if (!reached) {
        const auto reply = co_await next_.front().ask(in.getNumber(), in.getText().cStr());
        reached = reply->getReached();
        if (textFor(in.getNumber()) != reply->getText().cStr()) ++seen_.change().faults;
      }
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::crashed) throw;
    }
    Seen& seen = seen_.change();
    // More than once where the asker has died of it and tries again: a call can't be taken back.
    ++seen.asked[in.getNumber()];
    ++seen.handled;
    if (textFor(in.getNumber()) != in.getText().cStr()) ++seen.faults;
    out.setReached(reached);
    out.setText(in.getText());
  }

  void seen(SeenParams, SeenResults out) {
    out.setPassed(kj::arrayPtr(seen_->passed, kMost));
    out.setAsked(kj::arrayPtr(seen_->asked, kMost));
    out.setHandled(seen_->handled);
    out.setFaults(seen_->faults);
  }

 private:
  static bool mayGo() { return Board::shared().count("go") > 0; }
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
  std::size_t asked = 0;
  for (std::uint32_t number = 0; number < kMost; ++number) {
    if (seen->getPassed()[number] != 0) report.passed.insert(number);
    if (seen->getAsked()[number] != 0) report.asked.insert(number);
    asked += seen->getAsked()[number];
  }
  EXPECT_EQ(seen->getFaults(), 0U) << station.path();
  EXPECT_EQ(seen->getHandled(), report.passed.size() + asked)
      << station.path() << ": what is kept is what was handled";
  co_return report;
}

Numbers missing(const Numbers& from, const Numbers& those) {
  Numbers left;
  std::set_difference(those.begin(), those.end(), from.begin(), from.end(), std::inserter(left, left.end()));
  return left;
}

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

class Run {
 public:
  Run(Self& self, const Plan& plan, const Tickets& tickets) : self_(self), plan_(plan), tickets_(tickets) {}

  Task<> check() {
    middle_ = (co_await self_.find<Station>("/middle")).within(5min);
    sink_ = (co_await self_.find<Station>("/sink")).within(5min);
    sleeper_ = (co_await self_.find<Station>("/sleeper")).within(5min);
    if (!plan_.images.empty()) self_.spawn(upgradeAll());
    for (std::uint32_t number = 1; number <= plan_.messages || upgraded_ < plan_.images.size(); ++number) {
      if (number > kMost / 2 && number > plan_.messages) break;
      last_ = number;
      const std::string text = textFor(number);
      sent_.insert(number);
      if (number % kBatch != 0) {
        co_await middle_.pass(number, text);
        continue;
      }
      // With what stands in the same packet before and behind it.
      auto asking = ask(number);
      co_await middle_.pass(number, text);
      co_await std::move(asking);
      if (number == kBatch && plan_.guest) co_await letGuestGo();
    }
    co_await until(self_, "the programs are replaced", [this] { return upgraded_ == plan_.images.size(); });
    co_await until(self_, "all deaths have come", [this] { return tickets_.left() == 0; });
    for (std::uint32_t number = last_ + 1; !reached_ && number < kMost; ++number) co_await ask(number);
    Board::shared().note("wake");
    co_await checkPasses();
    checkHandlings();
    co_await becomesEmpty(self_);
  }

 private:
  // What comes for it from then on finds it gone.
  Task<> letGuestGo() {
    Board::shared().note("go");
    for (;;) {
      try {
        co_await self_.find<Station>("/guest");
      } catch (const Error&) {
        co_return;
      }
      co_await self_.sleepFor(5ms);
    }
  }

  Task<> upgradeAll() {
    for (const std::string& image : plan_.images) {
      for (const char* child : {"middle", "sink"}) {
        try {
          co_await troupe::SupervisorRef("/").upgrade(child, image);
        } catch (const Error& error) {
          EXPECT_TRUE(!plan_.kills.empty() || image.ends_with("init-throws")) << error.message();
        }
      }
      ++upgraded_;
    }
  }

  Task<> ask(std::uint32_t number) {
    try {
      const std::string text = textFor(number);
      const auto reply = co_await middle_.ask(number, text);
      EXPECT_EQ(text, reply->getText().cStr());
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
      if (plan_.whispers && number <= kWhispers) whispered.insert(number);
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
  const Tickets& tickets_;
  std::size_t upgraded_ = 0;
  std::uint32_t last_ = 0;
  Ref<Station> middle_, sink_, sleeper_;
  Numbers sent_, answered_, crashed_;
  bool reached_ = false;
};

void describe(troupe::App& app, const Plan& plan) {
  const troupe::ChildSpec spec{.readyWithin = std::chrono::seconds(60),
                               .onCrash = OnCrash::retry(plan.retries)};
  std::vector<std::string> next = {"/sink"};
  if (plan.whispers) next.emplace_back("/sleeper");
  if (plan.guest) next.emplace_back("/guest");
  app.supervise({.maxRestarts = 1000});
  app.child<StationActor>("sleeper", {.mailboxBytes = 4096}, std::vector<std::string>{});
  if (plan.guest)
    app.child<StationActor>("guest", {.restart = troupe::Restart::temporary, .mailboxBytes = 4096},
                            std::vector<std::string>{});
  app.child<StationActor>("sink", spec, std::vector<std::string>{});
  app.child<StationActor>("middle", spec, next);
}

bool isOneOf(const std::string& point, std::initializer_list<const char*> those) {
  return std::ranges::find(those, point) != those.end();
}

}  // namespace

unsigned Plan::deathsOf(const std::string& path) const {
  unsigned deaths = 0;
  for (auto at = kills.find("@" + path); at != std::string::npos; at = kills.find("@" + path, at + 1))
    ++deaths;
  return deaths;
}

Plan killPlanFor(const std::string& point, const std::string& path, Size size) {
  const std::string here = "@" + path;
  const bool sink = path == "/sink";
  Plan plan{.kills = point + ":5" + here, .size = size};
  if (point == "judged") plan.kills = sink ? "written:5@/middle, judged@/sink" : "";  // main does not die
  if (isOneOf(point, {"introduced", "arenaAwaited", "arenaCame"})) plan.kills = point + here;
  if (point == "resending") plan.kills = "written:5" + here + ", resending" + here;
  if (point == "blockRecovered") plan.kills = "bodyBuilt:3" + here + ", blockRecovered" + here;
  if (point == "blockCut") plan.kills = "blockCut:2" + here;
  if (point == "moving") {
    plan = {.kills = "moving:3" + here, .messages = 900, .textBytes = 3600};
    if (size == Size::large) plan.size = Size::firstLarge;
  }
  // The first start must succeed.
  if (isOneOf(point, {"constructed", "beforeReady", "afterReady"}))
    plan.kills = "begun:5" + here + ", " + point + here;
  if (isOneOf(point, {"punching", "punched", "tableCleared"})) {
    plan.kills = point + here;
    plan.whispers = false;
  }
  if (isOneOf(point, {"closing", "closed"})) {
    plan.kills = point + here;
    plan.guest = true;
  }
  if (isOneOf(point, {"numberTakenBack", "bodyUnmarked"})) plan.kills = point + here;
  // Nobody keeps its messages waiting, or goes.
  if (sink && isOneOf(point, {"moving", "closing", "closed", "numberTakenBack", "bodyUnmarked"}))
    plan.kills.clear();
  return plan;
}

void live(const Plan& plan) {
  SCOPED_TRACE(plan.kills + (plan.size == Size::small ? "" : ", large") + ", retries " +
               std::to_string(plan.retries));
  thePlan = plan;
  Board::shared().clear();
  for (const char* path : {"/middle", "/sink", "/sleeper"}) new (&handlingsOf(path)) Handlings{};
  const Tickets tickets(plan);
  runApp([&](troupe::App& app) { describe(app, plan); },
         [&](Self& self) -> Task<> {
           Run run(self, plan, tickets);
           co_await run.check();
         },
         [&] {
           ::setenv("TROUPE_KILL_AT", plan.kills.c_str(), 1);
           ::setenv("TROUPE_KILL_TICKET", tickets.path().c_str(), 1);
           const std::string rest = std::to_string(plan.retries) + " " + std::to_string(plan.textBytes) +
                                    " " + std::to_string(static_cast<int>(plan.size)) + " " +
                                    std::to_string(plan.whispers) + " " + std::to_string(plan.guest);
           ::setenv(kPlanVariable, rest.c_str(), 1);
         });
  EXPECT_EQ(tickets.left(), 0U) << "it has not come to all these deaths";
}

std::vector<std::string_view> killPointsOf(troupe::os::KillPart part) {
  std::vector<std::string_view> names;
  for (const auto& point : troupe::os::kKillPoints) {
    if (point.part == part) names.push_back(point.name);
  }
  return names;
}

std::string imageName() { return std::filesystem::read_symlink("/proc/self/exe").filename(); }

bool runAsImage(int argc, char** argv, int& code) {
  const char* const text = std::getenv(kPlanVariable);
  if (std::getenv("TROUPE_TICKET") == nullptr || text == nullptr) return false;
  std::istringstream rest(text);
  int size = 0;
  rest >> thePlan.retries >> thePlan.textBytes >> size >> thePlan.whispers >> thePlan.guest;
  thePlan.size = static_cast<Size>(size);
  troupe::App app(argc, argv);
  describe(app, thePlan);
  code = app.run();
  return true;
}

}  // namespace tests
