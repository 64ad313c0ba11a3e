// The side of a log that its users see, and its declaration.
#include <troupe/log.h>

#include <algorithm>

#include "actors/log_actor.h"
#include "os/app_log.h"

namespace troupe {

namespace {

Error wrong(const std::string& id, const std::string& what) {
  return Error(ErrorKind::invalid, "the log \"" + id + "\": " + what);
}

Task<> flushed(Ref<actors::LogProtocol> log) {
  const auto reply = co_await log.flush();
  if (reply->getUnwritten() == 0) co_return;
  throw Error(ErrorKind::refused, "flushing the log " + log.path() + ": " +
                                      std::to_string(reply->getUnwritten()) +
                                      " lines are not in its file: " + reply->getProblem().cStr());
}

}  // namespace

Task<> Log::flush() const { return flushed(Ref<actors::LogProtocol>(*this)); }

ServedProtocol Log::served() {
  return {Protocol<actors::LogProtocol>::kId, Protocol<actors::LogProtocol>::kName};
}

void Log::declare(Group& group, std::string id, const LogSpec& spec) {
  os::LogSettings& settings = os::logSettings();
  if (spec.file.empty() && !spec.terminal) throw wrong(id, "neither a file nor the terminal");
  if (spec.patience < Duration::zero()) throw wrong(id, "a patience of less than nothing");
  if (settings.sink) throw wrong(id, "an app has one log, and this is the second");
  settings = {.level = static_cast<unsigned>(spec.level),
              .sink = true,
              // Its sum with the clock's time must not overflow.
              .patience = std::chrono::ceil<std::chrono::milliseconds>(
                  std::min<Duration>(spec.patience, std::chrono::hours(24)))};
  ChildSpec child = spec.child;
  child.output = Output::inherited;
  group.child<actors::LogActor>(std::move(id), child, spec);
}

}  // namespace troupe
