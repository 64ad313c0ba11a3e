#include "tests/support/puppet.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

namespace tests {

using troupe::ChildInfo;
using troupe::ChildState;
using troupe::SupervisorRef;

namespace {
constexpr auto kPatience = 5min;
constexpr auto kBetween = 3ms;
}  // namespace

Script Script::fails(unsigned from, unsigned to, Does how) {
  return {.init = [=](unsigned attempt) { return attempt >= from && attempt <= to ? how : Does::fine; }};
}

Script Script::parse(const std::string& text) {
  static const std::map<std::string, Does> kNames = {{"fine", Does::fine},     {"ignores", Does::ignores},
                                                     {"throws", Does::throws}, {"hangs", Does::hangs},
                                                     {"exits", Does::exits},   {"naps", Does::naps}};
  Script script;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const std::string value = word.substr(5);
    if (word.starts_with("init=")) script.init = [does = kNames.at(value)](unsigned) { return does; };
    if (word.starts_with("stop=")) script.stopping = kNames.at(value);
    if (word.starts_with("info=")) script.info = value;
  }
  return script;
}

void endAs(const std::string& how) {
  if (how == "throw") throw std::runtime_error("as it was told");
  if (how.starts_with("exit ")) std::exit(std::stoi(how.substr(5)));
  if (how == "segv") std::raise(SIGSEGV);
  if (how == "abort") std::abort();
  if (how == "kill") std::raise(SIGKILL);
  if (how == "term") std::raise(SIGTERM);
  if (how == "fpe") std::raise(SIGFPE);
  while (how == "hang") ::pause();
}

Task<troupe::Start> PuppetActor::init() {
  Board& board = Board::shared();
  board.note("init " + path());
  const auto attempt = static_cast<unsigned>(board.count("init " + path()));
  switch (script_.init ? script_.init(attempt) : Does::fine) {
    case Does::fine: break;
    case Does::ignores: co_return troupe::Start::ignore();
    case Does::throws: throw std::runtime_error("start " + std::to_string(attempt) + " is to fail");
    case Does::hangs: co_await sleepFor(24h); break;
    case Does::exits: std::_Exit(7);
    case Does::naps: co_await sleepFor(100ms); break;
  }
  co_return troupe::Start::with(script_.info);
}

Task<> PuppetActor::stopping() {
  Board::shared().note("stop " + path());
  switch (script_.stopping) {
    case Does::throws: throw std::runtime_error("the stop is to fail");
    case Does::hangs: co_await sleepFor(24h); break;
    case Does::exits: std::_Exit(7);
    case Does::naps: co_await sleepFor(100ms); break;
    default: break;
  }
  Board::shared().note("stopped " + path());
}

void PuppetActor::who(WhoParams, WhoResults out) {
  out.setPid(self().pid());
  out.setGeneration(self().generation());
  out.setPath(path());
  out.setHandled(++handled_);
}

void PuppetActor::echo(EchoParams in, EchoResults out) {
  ++handled_;
  out.setText(in.getText());
}

void PuppetActor::note(NoteParams in) {
  ++handled_;
  Board::shared().note(in.getText().cStr());
}

void PuppetActor::crash(CrashParams in, CrashResults) { endAs(in.getHow().cStr()); }
void PuppetActor::die(DieParams in) { endAs(in.getHow().cStr()); }

void PuppetActor::leave(LeaveParams in) {
  stop({.kind = static_cast<troupe::ExitKind>(in.getKind()),
        .code = in.getCode(),
        .text = in.getText().cStr()});
}

Task<> PuppetActor::nap(NapParams in, NapResults out) {
  co_await sleepFor(std::chrono::milliseconds(in.getMilliseconds()));
  out.setHandled(++handled_);
}

void PuppetActor::hang(HangParams, HangResults) { endAs("hang"); }
void PuppetActor::deny(DenyParams in, DenyResults out) { out.refuse(in.getText().cStr()); }

Task<> PuppetActor::relay(RelayParams in, RelayResults out) {
  const troupe::Ref<Puppet> to = in.getTo();
  const auto reply = co_await to.within(std::chrono::milliseconds(in.getMilliseconds())).echo(in.getText());
  out.setText(reply->getText());
}

Task<> PuppetActor::lookUp(LookUpParams in, LookUpResults out) {
  try {
    out.setPuppet(co_await find<Puppet>(in.getName().cStr()));
  } catch (const troupe::Error& error) {
    out.refuse(error.what());
  }
}

void PuppetActor::grow(GrowParams in, GrowResults out) { out.setText(std::string(in.getBytes(), 'x')); }

void PuppetActor::files(FilesParams, FilesResults out) {
  std::vector<std::string> open;
  DIR* const folder = ::opendir("/proc/self/fd");
  while (const dirent* const entry = ::readdir(folder)) {
    if (entry->d_name[0] == '.' || std::stoi(entry->d_name) == ::dirfd(folder)) continue;
    std::array<char, 256> target{};
    const std::string link = std::string("/proc/self/fd/") + entry->d_name;
    if (::readlink(link.c_str(), target.data(), target.size() - 1) < 0) continue;
    open.push_back(std::string(entry->d_name) + " " + target.data());
  }
  ::closedir(folder);
  auto list = out.initOpen(static_cast<unsigned>(open.size()));
  for (unsigned i = 0; i < list.size(); ++i) list.set(i, open[i]);
}

void PuppetActor::nobody(NobodyParams, NobodyResults out) { out.setPuppet(troupe::Ref<Puppet>()); }

Task<> PuppetActor::callSelf(CallSelfParams, CallSelfResults out) {
  try {
    co_await ref().who();
  } catch (const troupe::Error& error) {
    out.setError(std::string(toString(error.kind())) + ": " + error.what());
  }
}

void PuppetActor::everyone(EveryoneParams in, EveryoneResults out) {
  const auto puppets = in.getPuppets();
  auto paths = out.initPaths(puppets.size());
  for (unsigned i = 0; i < puppets.size(); ++i) paths.set(i, troupe::Ref<Puppet>(puppets[i]).path());
}

// --- For main ---

Task<> until(Self& self, std::string what, std::function<bool()> holds) {
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > limit) throw std::runtime_error("waited in vain: " + what);
    co_await self.sleepFor(kBetween);
  }
}

Task<> until(Self& self, std::string what, std::function<Task<bool>()> holds) {
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    const bool now = co_await holds();
    if (now) co_return;
    if (std::chrono::steady_clock::now() > limit) throw std::runtime_error("waited in vain: " + what);
    co_await self.sleepFor(kBetween);
  }
}

Task<troupe::Error> errorOf(troupe::Task<> task) {
  std::optional<troupe::Error> error;
  try {
    co_await std::move(task);
  } catch (const troupe::Error& caught) {
    error = caught;
  }
  if (!error) throw std::runtime_error("an error was expected, and there was none");
  co_return *error;
}

Task<troupe::Ref<Puppet>> puppetAt(Self& self, std::string name) {
  const auto found = co_await self.find<Puppet>(name);
  co_return found.within(5min);
}

Task<std::string> textOf(troupe::Call<Puppet::EchoResults> call) {
  const auto reply = co_await std::move(call);
  co_return reply->getText().cStr();
}

Task<std::map<std::string, ChildInfo>> childrenOf(SupervisorRef supervisor) {
  std::map<std::string, ChildInfo> byId;
  const auto children = co_await supervisor.children();
  for (const ChildInfo& child : children) byId[child.id] = child;
  co_return byId;
}

Task<std::map<std::string, int>> pidsOf(SupervisorRef supervisor) {
  std::map<std::string, int> byId;
  const auto children = co_await supervisor.children();
  for (const ChildInfo& child : children) {
    if (child.state == ChildState::running) byId[child.id] = child.pid;
  }
  co_return byId;
}

Task<int> pidOf(Self& self, SupervisorRef supervisor, std::string id) {
  int pid = 0;
  const std::function<Task<bool>()> runs = [&]() -> Task<bool> {
    const auto pids = co_await pidsOf(supervisor);
    const auto found = pids.find(id);
    if (found != pids.end()) pid = found->second;
    co_return found != pids.end();
  };
  co_await until(self, id + " runs", runs);
  co_return pid;
}

Task<std::string> orderOf(SupervisorRef supervisor) {
  std::string ids;
  const auto children = co_await supervisor.children();
  for (const ChildInfo& child : children) ids += (ids.empty() ? "" : " ") + child.id;
  co_return ids;
}

// None while the supervisor itself is being restarted.
static Task<std::map<std::string, ChildInfo>> childrenNow(SupervisorRef supervisor) {
  std::map<std::string, ChildInfo> children;
  try {
    children = co_await childrenOf(supervisor);
  } catch (const troupe::Error& error) {
    if (error.kind() != troupe::ErrorKind::gone) throw;
  }
  co_return children;
}

Task<int> becomesRunning(Self& self, SupervisorRef supervisor, std::string id, int before) {
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    const auto children = co_await childrenNow(supervisor);
    const auto found = children.find(id);
    if (found != children.end() && found->second.state == ChildState::running &&
        found->second.pid != before) {
      co_return found->second.pid;
    }
    if (std::chrono::steady_clock::now() > limit) {
      throw std::runtime_error("waited in vain for " + id + " of " + supervisor.path() + " to run: it is " +
                               (found == children.end() ? "not there" : toString(found->second.state)));
    }
    co_await self.sleepFor(kBetween);
  }
}

Task<> becomesState(Self& self, SupervisorRef supervisor, std::string id, ChildState state) {
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    const auto children = co_await childrenNow(supervisor);
    const auto found = children.find(id);
    if (found != children.end() && found->second.state == state) co_return;
    if (std::chrono::steady_clock::now() > limit) {
      throw std::runtime_error("waited in vain for " + id + " of " + supervisor.path() + " to be " +
                               toString(state) + ": it is " +
                               (found == children.end() ? "not there" : toString(found->second.state)));
    }
    co_await self.sleepFor(kBetween);
  }
}

Task<> becomesDead(Self& self, int pid) {
  return until(self, "the end of process " + std::to_string(pid),
               std::function<bool()>([pid] { return !isAlive(pid); }));
}

bool isAlive(int pid) {
  struct stat status = {};
  return ::stat(("/proc/" + std::to_string(pid)).c_str(), &status) == 0;
}

void kill(int pid, int signal) { ::kill(pid, signal); }

}  // namespace tests
