#include "actors/program_run.h"

#include <chrono>
#include <map>

#include "actor/actor_process.h"

namespace troupe::actors {

namespace {

using Runs = std::map<Caller, std::shared_ptr<ProgramRun>>;
Runs& runs() {
  static Runs all;
  return all;
}

}  // namespace

std::shared_ptr<ProgramRun> ProgramRun::of(const RefBase& program, std::uint32_t number, int pid) {
  const Caller process{program.id(), number};
  const auto found = runs().find(process);
  if (found != runs().end()) return found->second;
  auto run = std::make_shared<ProgramRun>(program, number, pid);
  runs().emplace(process, run);
  Self self(actor::ActorProcess::current());
  self.spawn(watch(run, self, self.monitor(process)));
  return run;
}

// However the watch ends: in a process that is another actor after this one, nobody would be woken by one that was cut off.
struct ProgramRun::Watched {
  std::shared_ptr<ProgramRun> run;
  ~Watched() {
    const auto found = runs().find({run->program_.id(), run->number_});
    if (found != runs().end() && found->second == run) runs().erase(found);
  }
};

Task<> ProgramRun::watch(std::shared_ptr<ProgramRun> run, Self self, Monitor monitor) {
  const Watched watched{run};
  const Down down = co_await monitor.next();
  // What it has answered was there before this news; the memory of large answers may have to come still.
  actor::PendingCalls& calls = actor::ActorProcess::current().calls();
  calls.readReplies();
  for (int i = 0; calls.awaitsBodies() && i < 5000; ++i) co_await self.sleepFor(std::chrono::milliseconds(1));
  run->note(down.reason);
  runs().erase({run->program_.id(), run->number_});
  run->wakeAll();
}

void ProgramRun::wakeAll() {
  while (!waiting_.empty()) {
    Wait* const first = *waiting_.begin();
    waiting_.erase(waiting_.begin());
    first->waiting_.resume();
  }
}

}  // namespace troupe::actors
