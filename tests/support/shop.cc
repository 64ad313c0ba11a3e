#include "tests/support/shop.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string_view>

#include "till.actor.h"

namespace tests {

namespace {

using namespace std::chrono_literals;

// A copy of the program under the name kFaulty.
bool faulty() { return std::filesystem::read_symlink("/proc/self/exe").filename() == kFaulty; }
bool mended() { return std::getenv("MENDED") != nullptr; }

class TillActor final : public troupe::Actor<TillActor, Till> {
 public:
  TillActor() = default;
  explicit TillActor(std::string owner) : owner_(std::move(owner)) {}

  void init() {
    if (faulty()) throw std::runtime_error("a newer fault");
  }
  void pay(PayParams in, PayResults out) {
    if (in.getFrom() == "a thief" && !mended()) std::raise(SIGSEGV);
    total_ += in.getCents();
    out.setTotal(total_);
  }
  void note(NoteParams in) {
    if (std::string_view(in.getText().cStr()).starts_with("bad") && !mended())
      throw std::runtime_error("a bad note");
  }
  troupe::Task<> ask(AskParams, AskResults) {
    if (!mended()) std::abort();
    co_await find<Till>("/till");
  }
  void deny(DenyParams, DenyResults out) {
    if (!mended()) std::raise(SIGKILL);
    out.refuse("not today");
  }

 private:
  std::string owner_;
  std::int64_t total_ = 100;
};

// Has nothing to do, and so no process.
class Absent final : public troupe::Actor<Absent> {
 public:
  troupe::Start init() { return troupe::Start::ignore(); }
};

template <class Awaitable>
troupe::Task<> failing(Awaitable awaitable) {
  try {
    static_cast<void>(co_await std::move(awaitable));
  } catch (const troupe::Error&) {}
}

// Messages 1 to 4.
troupe::Task<> leaveLetters(troupe::Self& self) {
  auto till = co_await self.find<Till>("/till");
  co_await failing(till.pay(5, "a thief", Till::Kind::NOTES, till));
  co_await till.note("bad");
  co_await failing(till.ask());
  co_await failing(till.deny());
}

// One of the till, and five of a guard who goes with it: in hand, three in the mailbox, one that comes too late.
troupe::Task<> leaveLargeLetters(troupe::Self& self) {
  const std::string body(1 << 20, 'x');
  auto till = co_await self.find<Till>("/till");
  co_await till.note("bad" + body);
  co_await failing(till.pay(5, "a customer", Till::Kind::NOTES, till));
  auto guard = co_await self.find<Till>("/floor/guard");
  co_await guard.note("bad" + body);
  for (int i = 0; i < 3; ++i) co_await guard.note("good" + body);
  co_await failing(guard.ask());
  co_await guard.note("late" + body);
  co_await failing(guard.ask());
}

}  // namespace

int runShop(int argc, char** argv) {
  const std::string what = argc > 2 ? argv[2] : "";
  troupe::App app(argc, argv);
  app.name("shop");
  app.attachable(what != "detached");
  troupe::DeadLetterSpec letters;
  if (const char* const folder = std::getenv("LETTERS")) letters.folder = folder;
  if (const char* const bytes = std::getenv("LETTER_BYTES")) letters.bytes = std::stoul(bytes);
  app.deadLetters(letters);
  app.supervise({.maxRestarts = 100, .within = 1h});
  app.listen("127.0.0.1:0");
  app.child<TillActor>("till", {.name = "the-till"});
  auto& floor = app.supervisor("floor", {.maxRestarts = 100, .within = 1h});
  floor.child<TillActor>("clerk").child<TillActor>("guard", {.restart = troupe::Restart::temporary});
  floor.each<TillActor>("guest", {.restart = troupe::Restart::temporary});
  app.pool<TillActor>("hands", {.size = 2});
  if (what == "crowded") {
    auto& crowd = app.supervisor("crowd");
    for (unsigned i = 0; i < kCrowd; ++i) crowd.child<Absent>("absent-" + std::to_string(i));
  }
  if (what == "unhurried") app.child<TillActor>("sloth", {.stop = troupe::Stop::within(1h)});
  app.main([what](troupe::Self& self) -> troupe::Task<> {
    if (what == "letters") co_await leaveLetters(self);
    if (what == "large") co_await leaveLargeLetters(self);
    auto floor = co_await self.findSupervisor("/floor");
    co_await floor.start("guest");
    if (what == "crowded") {
      const auto crowd = co_await troupe::SupervisorRef("/crowd").children();
      for (unsigned i = 0; i < crowd.size(); ++i) {
        if (crowd[i].id != "absent-" + std::to_string(i))
          std::printf("%s is out of order\n", crowd[i].id.c_str());
      }
      std::printf("crowd of %zu\n", crowd.size());
    }
    std::puts("open");
    co_await self.sleepFor(24h);
  });
  return app.run();
}

int runShopOrTests(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "shop") return runShop(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

std::string commandPath() { return TROUPE_BINARY_DIR "/troupe"; }

Said troupeSays(const std::vector<std::string>& arguments) {
  Program command(commandPath(), arguments);
  Said said;
  if (const auto end = command.waitForEnd()) said.code = end->signaled ? 128 + end->code : end->code;
  command.waitUntil([] { return true; });
  said.out = command.output();
  said.err = command.errors();
  return said;
}

}  // namespace tests
