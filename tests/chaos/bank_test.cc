// A bank of 100 vaults: random transfers between them by casts, and deposits by calls, while vaults, clerks and
// supervisors are killed at random instants. When the traffic has drained, the sum of the balances is right to the cent;
// every deposit that was acknowledged is there, once; one whose outcome is unknown at most once.
//
// TROUPE_CHAOS_SECONDS  how long (10)
// TROUPE_CHAOS_SEED     chooses whom to kill, and when
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <map>
#include <random>
#include <set>

#include "tests/chaos/actors.h"
#include "tests/chaos/chaos_fixture.h"
#include "tests/chaos/ledger.h"

namespace tests {
namespace {

constexpr unsigned kVaults = 100;
// These drop the message that a process dies with, so they get no credit: it would be lost.
constexpr unsigned kDropping = 10;
constexpr unsigned kClerks = 4;
constexpr unsigned kRegions = 4;
constexpr unsigned kProcesses = kVaults + 2 * kRegions + kClerks + 2;  // with their supervisors, and main
constexpr std::size_t kMostDeposits = 6000;                            // of a vault
constexpr unsigned kPage = 300;

std::int64_t amountOf(std::uint64_t id) { return 1000 + static_cast<std::int64_t>(id % 97); }
std::string nameOf(unsigned vault) { return "v" + std::to_string(vault); }

class Vault final : public troupe::Actor<Vault, chaos::Vault> {
 public:
  void deposit(DepositParams in, DepositResults out) {
    if (deposits_->count == kMostDeposits) return out.refuse("full");
    auto& deposits = deposits_.change();
    deposits.ids[deposits.count++] = in.getId();
    balance_ += amountOf(in.getId());
    out.setBalance(*balance_);
  }

  // Waiting for room would be a dead lock, where two wait for each other.
  troupe::Task<> move(MoveParams in) {
    auto& to = known_[in.getTo().cStr()];
    if (!to) to = co_await find<chaos::Vault>(in.getTo().cStr());
    if (*balance_ < in.getAmount()) co_return;
    try {
      to.credit(in.getAmount());
      balance_ -= in.getAmount();
    } catch (const troupe::Error& error) {
      if (error.kind() != troupe::ErrorKind::overloaded) throw;
    }
  }

  void credit(CreditParams in) {
    balance_ += in.getAmount();
    ++credits_;
  }

  void audit(AuditParams in, AuditResults out) {
    out.setBalance(*balance_);
    out.setCredits(*credits_);
    const std::size_t from = std::min<std::size_t>(in.getFrom(), deposits_->count);
    const auto ids =
        out.initIds(static_cast<unsigned>(std::min<std::size_t>(kPage, deposits_->count - from)));
    for (unsigned i = 0; i < ids.size(); ++i)
      capnp::List<std::uint64_t>::Builder(ids).set(i, deposits_->ids[from + i]);
  }

 private:
  struct Deposits {
    std::size_t count = 0;
    std::array<std::uint64_t, kMostDeposits> ids{};
  };
  std::map<std::string, troupe::Ref<chaos::Vault>> known_;
  troupe::Kept<std::int64_t> balance_{*this, "balance"};
  troupe::Kept<std::uint64_t> credits_{*this, "credits"};
  troupe::Kept<Deposits> deposits_{*this, "deposits"};
};

// Makes deposits, each with a number of its own, and has money moved, until it is told to finish.
class Clerk final : public troupe::Actor<Clerk, chaos::Driver> {
 public:
  Clerk(unsigned id, std::string folder)
      : attempted_(folder + "/attempted"),
        acknowledged_(folder + "/acknowledged"),
        random_(std::random_device{}()) {
    next_ = std::uint64_t{id} << 48 | std::uint64_t{self().generation()} << 24;
  }

  troupe::Task<> run() {
    for (unsigned vault = 0; vault < kVaults; ++vault)
      vaults_.push_back(co_await find<chaos::Vault>(nameOf(vault)));
    running_ = 4;
    for (int lane = 0; lane < 3; ++lane) spawn(deposits());
    spawn(moves());
    co_await sleepFor(troupe::kForever);
  }

  troupe::Task<> finish(FinishParams, FinishResults out) {
    finishing_ = true;
    while (running_ > 0) co_await sleepFor(1ms);
    out.setLast(next_);
  }

 private:
  unsigned below(unsigned limit) { return std::uniform_int_distribution<unsigned>(0, limit - 1)(random_); }

  troupe::Task<> deposits() {
    while (!finishing_) {
      const std::uint64_t id = ++next_;
      const unsigned vault = below(kVaults);
      attempted_.add({.kind = vault, .number = id});
      try {
        co_await vaults_[vault].within(5min).deposit(id);
        acknowledged_.add({.kind = vault, .number = id});
      } catch (const troupe::Error& error) {
        const bool dies = error.kind() == troupe::ErrorKind::crashed && vault < kDropping;
        if (!dies && error.kind() != troupe::ErrorKind::refused) unexpected(error.what());
      }
      co_await sleepFor(2ms);
    }
    --running_;
  }

  troupe::Task<> moves() {
    while (!finishing_) {
      for (int i = 0; i < 20; ++i) {
        const unsigned to = kDropping + below(kVaults - kDropping);
        co_await vaults_[below(kVaults)].move(nameOf(to), 1 + below(500));
      }
      co_await sleepFor(2ms);
    }
    --running_;
  }

  Ledger attempted_;
  Ledger acknowledged_;
  std::mt19937 random_;
  std::vector<troupe::Ref<chaos::Vault>> vaults_;
  std::uint64_t next_;
  unsigned running_ = 0;
  bool finishing_ = false;
};

// Writes down every deposit of every vault, and says the sum of the balances, and how many transfers have arrived.
troupe::Task<> audit(troupe::Self& self, std::string path) {
  const Ledger ledger(path);
  std::int64_t balances = 0;
  std::uint64_t credits = 0;
  for (unsigned vault = 0; vault < kVaults; ++vault) {
    const auto ref = (co_await self.find<chaos::Vault>(nameOf(vault))).within(5min);
    for (unsigned from = 0, more = 1; more > 0; from += more) {
      const auto page = co_await ref.audit(from);
      if (from == 0) balances += page->getBalance();
      if (from == 0) credits += page->getCredits();
      for (const std::uint64_t id : page->getIds()) ledger.add({.kind = vault, .number = id});
      more = page->getIds().size();
    }
  }
  std::cout << "audit " << balances << ' ' << credits << std::endl;
}

troupe::Task<> manage(troupe::Self& self, std::string folder) {
  Console console;
  std::cout << "started" << std::endl;
  co_await console.line();
  for (unsigned i = 1; i <= kClerks; ++i) {
    auto clerk = co_await self.find<chaos::Driver>("clerk" + std::to_string(i));
    co_await clerk.within(5min).finish();
  }
  std::cout << "finished" << std::endl;
  for (int count = 1;; ++count) {
    const auto line = co_await console.line();
    if (line != "audit") co_return;
    co_await audit(self, folder + "/audit" + std::to_string(count));
  }
}

// Vaults in four regions, each with a supervisor and one below it; the clerks under another.
int runTheApp(int argc, char** argv) {
  const std::string folder = argv[1];
  troupe::App app(argc, argv);
  const troupe::SupervisorSpec lasting{.maxRestarts = 1'000'000};
  app.supervise(lasting);
  unsigned vault = 0;
  for (unsigned region = 0; region < kRegions; ++region) {
    auto& outer = app.supervisor("region" + std::to_string(region), lasting);
    auto& inner = outer.supervisor("inner", lasting);
    for (unsigned i = 0; i < kVaults / kRegions; ++i, ++vault) {
      const auto onCrash = vault < kDropping ? troupe::OnCrash::drop() : troupe::OnCrash::retry(100);
      const std::string name = nameOf(vault);
      (i % 2 == 0 ? outer : inner).child<Vault>(name, {.onCrash = onCrash, .name = name});
    }
  }
  auto& clerks = app.supervisor("clerks", lasting);
  for (unsigned i = 1; i <= kClerks; ++i) {
    const std::string name = "clerk" + std::to_string(i);
    clerks.child<Clerk>(name, {.name = name}, i, folder);
  }
  app.main([folder](troupe::Self& self) { return manage(self, folder); });
  return app.run();
}

// --- The test ---

using Deposits = std::vector<std::pair<std::uint64_t, std::uint64_t>>;  // vault, id

Deposits depositsIn(const std::string& path) {
  Deposits all;
  for (const Note& note : Ledger::read(path)) all.emplace_back(note.kind, note.number);
  std::sort(all.begin(), all.end());
  return all;
}

std::size_t missingIn(const Deposits& some, const Deposits& all) {
  Deposits missing;
  std::set_difference(some.begin(), some.end(), all.begin(), all.end(), std::back_inserter(missing));
  return missing.size();
}

class BankChaosTest : public ChaosTest {
 protected:
  std::map<std::string, unsigned> kills;  // by kind
  unsigned sum = 0;

  // The end of the victim's path; of those the seed makes the same each time.
  std::pair<std::string, std::string> chooseVictim() {
    const unsigned kind = below(100);
    const std::string region = "/region" + std::to_string(below(kRegions));
    if (kind < 80) return {"vaults", "/" + nameOf(below(kVaults))};
    if (kind < 94) return {"clerks", "/clerk" + std::to_string(1 + below(kClerks))};
    if (kind < 97) return {"supervisors", region + "/inner"};
    return {"supervisors", kind < 99 ? region : "/clerks"};
  }

  void strike(const Program& app) {
    const auto processes = app.processes();
    for (unsigned left = 1 + below(3); left > 0; --left) {
      const auto [kind, path] = chooseVictim();
      for (const Process& process : processes) {
        if (!process.path().ends_with(path) || !killed(process)) continue;
        ++kills[kind];
        ++sum;
      }
    }
  }
};

TEST_F(BankChaosTest, NoCentIsLostOrMadeAndEveryAcknowledgedDepositIsThereOnce) {
  Program app(ownPath(), {folder.path()});
  ASSERT_TRUE(app.waitForLine("started")) << app.errors();
  strikeFor(10, 20, app, [&] { strike(app); });
  ASSERT_TRUE(app.waitUntil([&] { return isCalm(app, kProcesses); })) << describe(app.processes());
  app.send("finish\n");
  ASSERT_TRUE(app.waitForLine("finished")) << app.errors().substr(0, 10'000);

  // What is on its way arrives; then nothing changes any more.
  std::int64_t balances = 0, deposited = 0;
  std::uint64_t credits = 0;
  Deposits there;
  unsigned audits = 0;
  const auto audited = [&] {
    const std::string path = folder / ("audit" + std::to_string(++audits));
    app.send("audit\n");
    const auto line = app.waitForLine("audit ");
    if (!line) return true;
    std::istringstream words(line->substr(6));
    words >> balances >> credits;
    there = depositsIn(path);
    deposited = 0;
    for (const auto& [vault, id] : there) deposited += amountOf(id);
    return balances == deposited;
  };
  app.waitUntil(audited, std::chrono::milliseconds(20'000));
  expectOrderlyEnd(app);

  const Deposits attempted = depositsIn(folder / "attempted");
  const Deposits acknowledged = depositsIn(folder / "acknowledged");
  std::printf(
      "%u kills: %u vaults, %u clerks, %u supervisors; %llu transfers; %zu deposits, %zu acknowledged, %zu there\n",
      sum, kills["vaults"], kills["clerks"], kills["supervisors"], static_cast<unsigned long long>(credits),
      attempted.size(), acknowledged.size(), there.size());
  EXPECT_EQ(balances, deposited) << "the sum of the balances, and of what was deposited";
  EXPECT_EQ(missingIn(acknowledged, there), 0u) << "acknowledged, and not there";
  EXPECT_EQ(missingIn(there, attempted), 0u) << "there, and never made, or twice";
  EXPECT_TRUE(std::adjacent_find(there.begin(), there.end()) == there.end()) << "there twice";
  EXPECT_GT(sum, 0u);
  EXPECT_GT(credits, 0u);
  EXPECT_GT(acknowledged.size(), 0u);
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) {
  if (argc == 2 && argv[1][0] == '/') return tests::runTheApp(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
