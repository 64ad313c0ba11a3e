// Kept<T>: values of older layouts, and values that cannot be kept.
#include <array>

#include "kept.capnp.h"
#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::Kept;
using troupe::Ref;
using troupe::SupervisorRef;

Board& board() { return Board::shared(); }
SupervisorRef root() { return SupervisorRef("/"); }

Task<std::string> add(Ref<Puppet> keeper, int number) { return textOf(keeper.echo(std::to_string(number))); }

}  // namespace

class KeptLayouts : public AppTest {};

// --- Layouts ---

struct Flat {
  int x = 0;
};
struct Deep {
  int x = 0;
  int y = 0;
  int z = 0;
};
struct Counted {
  static constexpr std::uint64_t kLayout = 1;
  int x = 0;
};

// Whichever version the test asks for: as if the program were replaced.
class Versions final : public QuietPuppet<Versions> {
 public:
  Versions() {
    const auto versions = board().notesAfter("version ");
    const std::string version = versions.empty() ? "flat" : versions.back();
    if (version == "flat") keep<Flat>();
    if (version == "deep") keep<Deep>();
    if (version == "counted") keep<Counted>();
    if (version == "from flat") keep<Deep>([](const Flat& old) { return Deep{old.x, 100, 100}; });
    if (version == "from both")
      keep<Counted>([](const Flat& old) { return Counted{old.x}; },
                    [](const Deep& old) { return Counted{old.x + old.y + old.z}; });
    if (version == "journal") journal_ = std::make_unique<Kept<kept::Journal, 512>>(*this, "value");
  }
  void echo(EchoParams in, EchoResults out) {
    out.setText(std::to_string(add_(std::stoi(in.getText().cStr()))));
  }

 private:
  template <class T, class... Migrate>
  void keep(Migrate... migrate) {
    auto value = std::make_shared<Kept<T>>(*this, "value", T{}, +migrate...);
    add_ = [value](int by) { return value->change().x += by; };
  }
  std::function<int(int)> add_;
  std::unique_ptr<Kept<kept::Journal, 512>> journal_;
};

Task<std::string> restartAs(std::string version) {
  board().note("version " + version);
  co_await root().stop("a");
  std::string failure;
  try {
    co_await root().restart("a");
  } catch (const Error& error) {
    failure = error.message();
  }
  co_return failure;
}

TEST_F(KeptLayouts, AreMadeFromAnOlderLayoutOrRefused) {
  runApp([](troupe::App&) {},
         [](Self& self) -> Task<> {
           co_await root().startChild<Versions>("a", {});
           auto a = co_await puppetAt(self, "a");
           co_await add(a, 5);
           std::string failure = co_await restartAs("deep");
           EXPECT_NE(failure.find("keeping \"value\" of /a: an earlier process kept 4 bytes of another "
                                  "layout, now it would be 12 bytes"),
                     std::string::npos)
               << failure;
           failure = co_await restartAs("counted");
           EXPECT_NE(failure.find("another layout"), std::string::npos) << "kLayout alone: " << failure;
           failure = co_await restartAs("journal");
           EXPECT_NE(failure.find("another layout"), std::string::npos) << failure;
           failure = co_await restartAs("flat");
           EXPECT_EQ(failure, "");
           std::string value = co_await add(a, 1);
           EXPECT_EQ(value, "6") << "what could not be taken over is not lost";
           failure = co_await restartAs("from flat");
           EXPECT_EQ(failure, "");
           value = co_await add(a, 1);
           EXPECT_EQ(value, "7");
           failure = co_await restartAs("flat");
           EXPECT_NE(failure.find("another layout"), std::string::npos)
               << "there is no way back: " << failure;
           failure = co_await restartAs("from both");
           EXPECT_EQ(failure, "");
           value = co_await add(a, 1);
           EXPECT_EQ(value, "208");
           failure = co_await restartAs("counted");
           EXPECT_EQ(failure, "");
           value = co_await add(a, 1);
           EXPECT_EQ(value, "209");
         });
}

TEST_F(KeptLayouts, AreMadeFromAnOlderLayoutBeforeAnythingElseHappens) {
  runApp([](troupe::App& app) { app.supervise({.maxRestarts = 1000}); },
         [](Self& self) -> Task<> {
           co_await root().startChild<Versions>("a", {});
           auto a = co_await puppetAt(self, "a");
           co_await add(a, 5);
           co_await restartAs("from flat");
           // It has not changed it since.
           co_await errorOf(a.crash("kill"));
           std::string value = co_await add(a, 0);
           EXPECT_EQ(value, "5");
           co_await errorOf(a.crash("kill"));
           value = co_await add(a, 0);
           EXPECT_EQ(value, "5");
         });
}

// --- Refusals ---

template <std::size_t kBytes>
struct Large {
  std::array<char, kBytes> bytes{};
};

class Refused final : public troupe::Actor<Refused> {
 public:
  explicit Refused(std::string how) {
    const int number = how.find(' ') == std::string::npos ? 0 : std::atoi(how.c_str() + how.find(' '));
    if (how == "empty") keep<int>("");
    if (how.starts_with("name ")) keep<int>(std::string(static_cast<std::size_t>(number), 'n'));
    if (how == "bytes 65536") keep<Large<65536>>("large");
    if (how == "bytes 65537") keep<Large<65537>>("large");
    for (int i = 0; how.starts_with("many ") && i < number; ++i) keep<char>("value " + std::to_string(i));
    for (int i = 0; how.starts_with("much ") && i < number; ++i)
      keep<Large<65536>>("value " + std::to_string(i));
    if (how.starts_with("twice")) keep<int>("name");
    if (how == "twice") keep<int>("name");
    if (how == "twice, differently") keep<double>("name");
    if (how == "twice, later" && self().generation() > 1) {
      keep<int>("other");
      keep<double>("other");
    }
  }

 private:
  template <class T>
  void keep(const std::string& name) {
    all_.push_back(std::make_shared<Kept<T>>(*this, name));
  }
  std::vector<std::shared_ptr<void>> all_;
};

Task<std::string> failureOf(std::string how) {
  std::string failure;
  try {
    co_await root().startChild<Refused>("a", {}, how);
    co_await root().stop("a");
    co_await root().remove("a");
  } catch (const Error& error) {
    failure = error.message();
  }
  co_return failure;
}

TEST_F(KeptLayouts, ThatMakeNoSenseFailTheStartWithAClearText) {
  runApp([](troupe::App&) {},
         [](Self&) -> Task<> {
           static const std::map<std::string, std::string> kTexts = {
               {"empty", "keeping \"\": a name has 1 to 63 bytes"},
               {"name 63", ""},
               {"name 64", "a name has 1 to 63 bytes"},
               {"bytes 65536", ""},
               {"bytes 65537", "keeping \"large\": it takes 65537 bytes, and 65536 is the most"},
               {"many 64", ""},
               {"many 65", "keeping \"value 64\": an actor keeps 64 values at most"},
               {"much 16", ""},
               {"much 17", "keeping \"value 16\": an actor keeps 1048576 bytes at most"},
               {"twice", "keeping \"name\": this actor keeps another value of that name"},
               {"twice, differently", "keeping \"name\": this actor keeps another value of that name"},
           };
           for (const auto& [how, text] : kTexts) {
             const std::string failure = co_await failureOf(how);
             EXPECT_EQ(failure.empty(), text.empty()) << how << ": " << failure;
             EXPECT_NE(failure.find(text), std::string::npos) << how << ": " << failure;
           }
         });
}

TEST_F(KeptLayouts, ThatMakeNoSenseUseNothingUp) {
  runApp([](troupe::App&) {},
         [](Self&) -> Task<> {
           co_await root().startChild<Refused>("a", {}, std::string("twice, later"));
           co_await root().stop("a");
           for (int i = 0; i < 100; ++i) {
             const Error error = co_await errorOf([]() -> Task<> { co_await root().restart("a"); }());
             EXPECT_NE(error.message().find("this actor keeps another value of that name"), std::string::npos)
                 << i << ": " << error.message();
           }
         });
}

// A journal that grows by as much text as it echoes.
class Growing final : public QuietPuppet<Growing> {
 public:
  explicit Growing(std::string when = "") : when_(std::move(when)) {
    if (when_ == "constructor") enlarge(2000);
  }
  void init() {
    if (when_ == "init") enlarge(2000);
  }
  Task<> run() {
    if (when_ == "run") enlarge(2000);
    co_await sleepFor(24h);
  }
  void echo(EchoParams in, EchoResults out) {
    enlarge(static_cast<std::size_t>(std::stoi(in.getText().cStr())));
    out.setText(std::to_string((*journal_).getSum()));
  }
  Task<> nap(NapParams in, NapResults) {
    co_await sleepFor(1ms);
    enlarge(in.getMilliseconds());
  }

 private:
  void enlarge(std::size_t by) {
    auto journal = journal_.change();
    journal.setSum(journal.getSum() + static_cast<std::int64_t>(by));
    journal.initLines(1).set(0, std::string(static_cast<std::size_t>(journal.getSum()), 'x'));
  }
  std::string when_;
  Kept<kept::Journal, 1024> journal_{*this, "journal"};
};

TEST_F(KeptLayouts, ThatGrowTooLargeAreACrashOfTheTurn) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.child<Growing>("a");
      },
      [](Self& self) -> Task<> {
        auto a = co_await puppetAt(self, "a");
        std::string sum = co_await add(a, 500);
        EXPECT_EQ(sum, "500");
        for (int i = 0; i < 100; ++i) sum = co_await add(a, 0);
        EXPECT_EQ(sum, "500") << "what was replaced takes no room";
        Error error = co_await errorOf(a.echo("500"));
        EXPECT_EQ(error.kind(), ErrorKind::crashed);
        EXPECT_NE(error.message().find("keeping \"journal\" of /a"), std::string::npos) << error.message();
        EXPECT_NE(error.message().find("1024 is the most that was declared"), std::string::npos);
        sum = co_await add(a, 1);
        EXPECT_EQ(sum, "501");
        error = co_await errorOf(a.nap(500));
        EXPECT_NE(error.message().find("1024 is the most that was declared"), std::string::npos)
            << error.message();
        sum = co_await add(a, 1);
        EXPECT_EQ(sum, "502");
      });
}

TEST_F(KeptLayouts, ThatAreTooLargeFromTheStartFailItWithAClearText) {
  for (const char* when : {"constructor", "init"}) {
    const Ended ended = runToEnd([&](troupe::App& app) { app.child<Growing>("a", {}, std::string(when)); },
                                 [](Self&) -> Task<> { co_return; });
    EXPECT_EQ(ended.code, 1);
    EXPECT_NE(ended.err.find("1024 is the most that was declared"), std::string::npos)
        << when << ": " << ended.err;
  }
}

TEST_F(KeptLayouts, ThatGrowTooLargeInRunAreACrashWithAClearText) {
  runApp([](troupe::App& app) { app.child<PuppetActor>("other"); },
         [](Self& self) -> Task<> {
           const auto started = co_await root().startChild<Growing>(
               "a", {.restart = troupe::Restart::temporary}, std::string("run"));
           auto monitor = self.monitor(started.ref<Puppet>());
           const auto down = co_await monitor.next();
           EXPECT_NE(down.reason.toString().find("1024 is the most"), std::string::npos)
               << down.reason.toString();
         });
}

// One that is gone before its actor is.
class Fleeting final : public QuietPuppet<Fleeting> {
 public:
  void echo(EchoParams in, EchoResults out) {
    Kept<int> value(*this, "value");
    value += std::stoi(in.getText().cStr());
    out.setText(std::to_string(*value));
  }
};

TEST_F(KeptLayouts, ThatAreDestroyedBeforeTheirTurnEndsAreNotKept) {
  runApp([](troupe::App& app) { app.child<Fleeting>("a"); },
         [](Self& self) -> Task<> {
           auto a = co_await puppetAt(self, "a");
           for (int i = 0; i < 100; ++i) {
             const std::string value = co_await add(a, 5);
             EXPECT_EQ(value, "5");
           }
         });
}

}  // namespace tests
