#include "supervision/spec_check.h"

#include <array>
#include <cmath>
#include <unordered_set>
#include <utility>

namespace troupe::supervision {
namespace {

constexpr unsigned kMostRetries = 100;
constexpr unsigned kMostSpares = 16;
constexpr std::size_t kLeastMemory = 8_MiB;

// Says whose field it is that is wrong.
class Checker {
 public:
  Checker(const std::string& supervisor, const std::string* child) : supervisor_(supervisor), child_(child) {}

  void require(bool good, const char* field, const std::string& value, const char* wrong) const {
    if (!good) refuse(std::string(field) + " is " + value + ": " + wrong);
  }

  [[noreturn]] void refuse(const std::string& what) const {
    std::string message = "the spec of ";
    if (child_ != nullptr) message += "child \"" + *child_ + "\" of ";
    throw Error(ErrorKind::invalid, message + "supervisor \"" + supervisor_ + "\" is wrong: " + what);
  }

 private:
  const std::string& supervisor_;
  const std::string* child_;
};

template <class Enum>
void checkEnum(const Checker& check, Enum value, Enum last, const char* field) {
  const auto number = static_cast<unsigned>(value);
  check.require(number <= static_cast<unsigned>(last), field, std::to_string(number),
                "there is no such value");
}

void checkId(const Checker& check, const std::string& id, const char* field) {
  check.require(!id.empty(), field, "empty", "it must have at least one character");
  check.require(id.size() <= kLongestId, field, std::to_string(id.size()) + " bytes long",
                "at most 128 are allowed");
  for (const unsigned char c : id) {
    check.require(c != '/' && c != ':', field, '"' + id + '"', "it must not contain '/' or ':'");
    check.require(c > ' ' && c != 0x7f, field, '"' + id + '"',
                  "it must not contain white space or control characters");
  }
  check.require(id != "." && id != "..", field, '"' + id + '"', "as part of a path it would be misread");
}

void checkBackOff(const Checker& check, const BackOff& backOff) {
  check.require(backOff.first >= Duration::zero(), "backOff.first", describe(backOff.first),
                "it must not be negative");
  check.require(backOff.limit >= backOff.first, "backOff.limit", describe(backOff.limit),
                "it must not be less than backOff.first");
  check.require(std::isfinite(backOff.factor) && backOff.factor >= 1.0, "backOff.factor",
                std::to_string(backOff.factor), "it must be a number of at least 1");
  check.require(backOff.jitter >= 0.0 && backOff.jitter <= 1.0, "backOff.jitter",
                std::to_string(backOff.jitter), "it must be from 0 to 1");
}

// What a child and a supervisor as a child have in common.
template <class Spec>
void checkLifetime(const Checker& check, const Spec& spec) {
  checkEnum(check, spec.restart, Restart::temporary, "restart");
  check.require(spec.stop.limit >= Duration::zero(), "stop.limit", describe(spec.stop.limit),
                "it must not be negative");
  check.require(spec.readyWithin > Duration::zero(), "readyWithin", describe(spec.readyWithin),
                "it must be more than zero");
  check.require(!spec.significant || spec.restart != Restart::permanent, "significant", "true",
                "a child with restart `permanent` can't be significant, as it never ends for good");
  checkBackOff(check, spec.backOff);
}

void checkLimits(const Checker& check, const ChildDeclaration& child) {
  const Limits& limits = child.spec.limits;
  check.require(limits.memory == 0 || limits.memory >= kLeastMemory, "limits.memory",
                std::to_string(limits.memory), "less than 8388608 (8 MiB) would not do for any actor");
  check.require(limits.cpuPerMessage >= Duration::zero(), "limits.cpuPerMessage",
                describe(limits.cpuPerMessage), "it must not be negative");
  check.require(limits.wallPerMessage >= Duration::zero(), "limits.wallPerMessage",
                describe(limits.wallPerMessage), "it must not be negative");
  check.require(child.spec.recycleAfter == 0 || child.spec.restart != Restart::temporary, "recycleAfter",
                std::to_string(child.spec.recycleAfter), "a temporary child is never replaced");
}

void checkInstances(const Checker& check, const ChildDeclaration& child) {
  const unsigned most = child.spec.instancesPerProcess;
  check.require(most > 0, "instancesPerProcess", "0", "a process is one at least");
  if (most == 1) return;
  const std::string value = std::to_string(most);
  check.require(child.isTemplate, "instancesPerProcess", value,
                "only instances of a template follow each other");
  check.require(child.spec.restart != Restart::permanent, "instancesPerProcess", value,
                "a permanent child is restarted when it ends, in a process of its own");
}

void checkCombination(const Checker& check, const SupervisorSpec& flags, const ChildDeclaration& child) {
  check.require(!child.spec.significant || flags.autoShutdown != AutoShutdown::never, "significant", "true",
                "the supervisor's autoShutdown is `never`");
  check.require(!child.isSupervisor || child.spec.spares == 0, "spares", std::to_string(child.spec.spares),
                "a supervisor can't have any");
  if (!child.isTemplate) return;
  check.require(flags.strategy == Strategy::oneForOne, "each", "true",
                "templates are allowed with the strategy oneForOne only");
  check.require(!child.spec.significant, "significant", "true", "a template can't be significant");
  check.require(child.spec.spares == 0, "spares", std::to_string(child.spec.spares),
                "the instances of a template can't have any");
  check.require(child.spec.name.empty(), "name", '"' + child.spec.name.string() + '"',
                "the instances of a template can't share an app-wide name");
}

}  // namespace

std::string describe(Duration duration) {
  if (duration == kForever) return "for ever";
  static constexpr std::array<std::pair<const char*, Duration::rep>, 3> kUnits = {
      {{"s", 1'000'000'000}, {"ms", 1'000'000}, {"us", 1'000}}};
  const Duration::rep count = duration.count();
  if (count == 0) return "0s";
  for (const auto& [name, size] : kUnits) {
    if (count % size == 0) return std::to_string(count / size) + name;
  }
  return std::to_string(count) + "ns";
}

void checkSupervisor(const std::string& supervisor, const SupervisorSpec& flags) {
  const Checker check(supervisor, nullptr);
  checkEnum(check, flags.strategy, Strategy::restForOne, "strategy");
  checkEnum(check, flags.autoShutdown, AutoShutdown::allSignificant, "autoShutdown");
  check.require(flags.within > Duration::zero(), "within", describe(flags.within),
                "it must be more than zero");
  checkLifetime(check, flags);
}

void checkChild(const std::string& supervisor, const SupervisorSpec& flags, const ChildDeclaration& child) {
  const Checker check(supervisor, &child.id);
  checkId(check, child.id, "id");
  if (!child.spec.name.empty()) checkId(check, child.spec.name.string(), "name");
  checkLifetime(check, child.spec);
  check.require(child.spec.onCrash.retries <= kMostRetries, "onCrash",
                std::to_string(child.spec.onCrash.retries) + " retries", "at most 100 are allowed");
  check.require(child.spec.watchdog >= Duration::zero(), "watchdog", describe(child.spec.watchdog),
                "it must not be negative");
  checkEnum(check, child.spec.launch, Launch::exec, "launch");
  checkEnum(check, child.spec.output, Output::inherited, "output");
  check.require(child.spec.maxMessageBytes <= kLargestMessage, "maxMessageBytes",
                std::to_string(child.spec.maxMessageBytes), "at most 536870912 (512 MiB) are allowed");
  check.require(child.spec.spares <= kMostSpares, "spares", std::to_string(child.spec.spares),
                "at most 16 are allowed");
  check.require(child.spec.spares == 0 || child.spec.restart != Restart::temporary, "spares",
                std::to_string(child.spec.spares), "a temporary child is never restarted");
  checkInstances(check, child);
  checkLimits(check, child);
  checkCombination(check, flags, child);
}

void checkChildren(const std::string& supervisor, const SupervisorSpec& flags,
                   const std::vector<ChildDeclaration>& children) {
  std::unordered_set<std::string> ids;
  for (const auto& child : children) {
    checkChild(supervisor, flags, child);
    if (!ids.insert(child.id).second)
      Checker(supervisor, &child.id).refuse("there is already a child of this id");
  }
}

}  // namespace troupe::supervision
