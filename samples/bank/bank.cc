// State that survives the process. What a turn keeps and what it casts are committed together, or not at all: so
// money moves between vaults that are killed all the time, and none is lost or made.
#include <troupe/troupe.h>

#include <csignal>
#include <iostream>
#include <memory>
#include <random>

#include "account.actor.h"

using namespace std::chrono_literals;

class Vault final : public troupe::Actor<Vault, Account> {
 public:
  void deposit(DepositParams in, DepositResults out) {
    balance_ += in.getAmount();
    out.setBalance(*balance_);
  }
  troupe::Task<> transfer(TransferParams in, TransferResults out) {
    if (*balance_ < in.getAmount()) co_return out.refuse("insufficient funds");  // the actor lives
    auto other = co_await find<Account>(in.getTo());
    balance_ -= in.getAmount();
    other.credit(
        in.getAmount());  // a cast: leaves when this turn commits, exactly once, even through a crash
    out.setBalance(*balance_);
  }
  void credit(CreditParams in) { balance_ += in.getAmount(); }

 private:
  troupe::Kept<std::int64_t> balance_{*this, "balance"};  // in memory that the successor inherits
};

constexpr unsigned kVaults = 8;
constexpr std::int64_t kDeposit = 1000;

std::string vault(unsigned number) { return "vault" + std::to_string(number % kVaults); }

// Kills one vault after the other. It goes on after main's own code is over, so it owns its part of what it counts in.
troupe::Task<> rob(troupe::Self& self, std::shared_ptr<unsigned> kills) {
  for (;;) {
    co_await self.sleepFor(2ms);
    for (const auto& child : co_await self.supervisor().children()) {
      if (child.id == vault(*kills) && child.pid > 0) ::kill(child.pid, SIGKILL);
    }
    ++*kills;
  }
}

troupe::Task<std::int64_t> sumOfBalances(troupe::Self& self) {
  std::int64_t sum = 0;
  for (unsigned i = 0; i < kVaults; ++i) {
    auto account = co_await self.find<Account>(vault(i));
    sum += (co_await account.deposit(0))->getBalance();
  }
  co_return sum;
}

int main(int argc, char** argv) {
  troupe::App app(argc, argv);
  app.supervise({.maxRestarts = 1'000'000});
  // A call that a vault dies with is made again: its process has changed nothing yet.
  for (unsigned i = 0; i < kVaults; ++i) app.child<Vault>(vault(i), {.onCrash = troupe::OnCrash::retry(100)});
  app.main([](troupe::Self& self) -> troupe::Task<> {
    for (unsigned i = 0; i < kVaults; ++i) {
      auto account = co_await self.find<Account>(vault(i));
      co_await account.deposit(kDeposit);
    }
    const auto kills = std::make_shared<unsigned>(0);
    self.spawn(rob(self, kills));
    std::mt19937 random;
    unsigned transfers = 0;
    for (const auto end = std::chrono::steady_clock::now() + 1s; std::chrono::steady_clock::now() < end;) {
      auto account = co_await self.find<Account>(vault(random()));
      try {
        co_await account.transfer(vault(random()), random() % 100);
        ++transfers;
      } catch (const troupe::Error& error) {
        if (error.kind() != troupe::ErrorKind::refused) throw;
      }
    }
    std::int64_t sum = 0;
    // What is on its way arrives.
    for (int i = 0; i < 1000 && sum != kVaults * kDeposit; ++i) sum = co_await sumOfBalances(self);
    std::cout << "after " << (transfers > 0 ? "many" : "no") << " transfers and "
              << (*kills > 0 ? "many" : "no") << " kills the balances add up to " << sum << " of "
              << kVaults * kDeposit << std::endl;
  });
  return app.run();
}
