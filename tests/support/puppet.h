// Actors that do what a test tells them, and what a test says to its app's main.
#pragma once

#include <gtest/gtest.h>
#include <troupe/troupe.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "puppet.actor.h"
#include "tests/support/board.h"

namespace tests {

using namespace std::chrono_literals;
using troupe::Self;
using troupe::Task;

// What a start or a stop does.
enum class Does { fine, ignores, throws, hangs, exits, naps };

struct Script {
  // For its nth start, from 1, over all its processes. hangs: awaits for ever; exits: with code 7.
  std::function<Does(unsigned attempt)> init = {};
  // hangs: awaits for ever; naps: awaits 100 ms.
  Does stopping = Does::fine;
  std::string info = {};
  // Starts like this from the nth on, up to the mth.
  static Script fails(unsigned from, unsigned to, Does how = Does::throws);
  // "init=throws stop=hangs info=something", in any order.
  static Script parse(const std::string& text);
};

// Notes "init <path>" and "stop <path>" on the board. Ends in all the ways that `how` may say: "segv", "abort", "kill", "term",
// "fpe" (signals), "throw", "exit 3", "hang" (for ever, without its event loop).
class PuppetActor final : public troupe::Actor<PuppetActor, Puppet> {
 public:
  explicit PuppetActor(Script script = {}) : script_(std::move(script)) {}
  // With what came along with a start at run time.
  explicit PuppetActor(std::string script) : script_(Script::parse(script)) {}
  PuppetActor(const Script&, std::string script) : script_(Script::parse(script)) {}

  Task<troupe::Start> init();
  Task<> stopping();

  void who(WhoParams in, WhoResults out);
  void echo(EchoParams in, EchoResults out);
  void note(NoteParams in);
  void crash(CrashParams in, CrashResults out);
  void die(DieParams in);
  void leave(LeaveParams in);
  Task<> nap(NapParams in, NapResults out);
  void hang(HangParams in, HangResults out);
  void deny(DenyParams in, DenyResults out);
  Task<> relay(RelayParams in, RelayResults out);
  Task<> lookUp(LookUpParams in, LookUpResults out);
  void grow(GrowParams in, GrowResults out);
  void files(FilesParams in, FilesResults out);
  void nobody(NobodyParams in, NobodyResults out);
  Task<> callSelf(CallSelfParams in, CallSelfResults out);
  void everyone(EveryoneParams in, EveryoneResults out);

 private:
  Script script_;
  unsigned handled_ = 0;
};

void endAs(const std::string& how);

// --- For main ---

class AppTest : public testing::Test {
 protected:
  void SetUp() override { Board::shared().clear(); }
};

// Asks again and again until it holds; throws, naming `what`, after 30 s. (GCC 12 copies closures in a co_await expression as bare
// memory: there only those that capture plain things.)
Task<> until(Self& self, std::string what, std::function<bool()> holds);
Task<> until(Self& self, std::string what, std::function<Task<bool>()> holds);

// The error that an awaitable ends with. Throws where it ends well.
template <class Awaitable>
Task<troupe::Error> errorOf(Awaitable awaitable) {
  std::optional<troupe::Error> error;
  try {
    static_cast<void>(co_await std::move(awaitable));
  } catch (const troupe::Error& caught) {
    error = caught;
  }
  if (!error) throw std::runtime_error("an error was expected, and there was none");
  co_return *error;
}
Task<troupe::Error> errorOf(troupe::Task<> task);

// The puppet of that name, to be called without haste.
Task<troupe::Ref<Puppet>> puppetAt(Self& self, std::string name);
// What it answers.
Task<std::string> textOf(troupe::Call<Puppet::EchoResults> call);

// The children of a supervisor, by their ids.
Task<std::map<std::string, troupe::ChildInfo>> childrenOf(troupe::SupervisorRef supervisor);
// Of all that run.
Task<std::map<std::string, int>> pidsOf(troupe::SupervisorRef supervisor);
// Of that child, once it runs: an actor may answer before those above it know that it, or they, are ready.
Task<int> pidOf(Self& self, troupe::SupervisorRef supervisor, std::string id);
// The ids in order: "a b c".
Task<std::string> orderOf(troupe::SupervisorRef supervisor);
// Until it runs in another process than `before`; the new one's pid.
Task<int> becomesRunning(Self& self, troupe::SupervisorRef supervisor, std::string id, int before = 0);
Task<> becomesState(Self& self, troupe::SupervisorRef supervisor, std::string id, troupe::ChildState state);
// Until no process of that number is there any more.
Task<> becomesDead(Self& self, int pid);
bool isAlive(int pid);
void kill(int pid, int signal);

}  // namespace tests
