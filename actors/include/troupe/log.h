// Log: where the lines of all actors go (log(), <troupe/logger.h>), in one order: a file, the terminal, or both.
//
//     app.add<troupe::Log>("log", {.file = "shop.log", .level = troupe::Level::debug});
//
//     log().with("order", 7).info("{} has paid", customer);      // in any actor
//
// An app that declares none has its lines on standard error, from Level::info on. With one, the supervisors' own lines go there too.
//
// Order:     lines are in the file in the order in which they were written, by all processes; so on the terminal.
// Crash:     a line is the log's when log() has returned true. Whoever is killed then, the sink included, it comes into the file, once. On
//            the terminal the last lines may be missing or come twice where the sink is killed.
// Room:      where the file can't be written, that is said once on standard error, lines are lost until it can, and how many is said in the
//            file then. A terminal that takes nothing holds nothing up: lines beyond 256 KiB are left out there, and counted.
// Files:     a file that is there is added to. One that was moved away is made anew. It belongs to one app at a time.
// Stop:      lines written when the sink has stopped come out on standard error when the app ends: so it should be declared first.
// Machine:   what is in the file outlives all processes, not a crash of the machine.
// Threads:   the actor's.
#pragma once

#include <troupe/app.h>
#include <troupe/level.h>
#include <troupe/ref.h>
#include <troupe/self.h>
#include <troupe/spec.h>
#include <troupe/task.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace troupe {

enum class LogFormat : std::uint8_t {
  human,  // 2026-11-22 03:16:40.123 info /till: paid order=7
  json,  // {"time":"2026-11-22T03:16:40.123456Z","level":"info","actor":"/till","text":"paid","fields":{"order":7}}
};

struct LogSpec {
  std::string file = {};                // none, where it is empty; from the folder that the app is started in
  bool terminal = true;                 // on the app's standard error, for humans
  Level level = Level::info;            // the least that is written
  LogFormat format = LogFormat::human;  // of the file
  std::size_t maxBytes = 64_MiB;        // a file that would get larger is moved to "shop.log.1"; 0: never
  unsigned olderFiles = 5;              // so many of those are kept
  Duration patience = std::chrono::seconds(1);  // a line waits so long for room in the log, then it is lost
  ChildSpec child = {.onCrash = OnCrash::retry(3)};
};

class Log : public RefBase {
 public:
  using Spec = LogSpec;

  explicit Log(RefBase log) : RefBase(std::move(log)) {}
  // The same, where nothing takes longer than that; 5 s otherwise.
  Log within(Duration deadline) const {
    Log other = *this;
    other.deadline_ = deadline;
    return other;
  }

  // Until all lines that were written before are in the file. Errors: refused, where the file can't be written.
  Task<> flush() const;

  // Used by find() and Group::add().
  static ServedProtocol served();
  static void declare(Group& group, std::string id, const LogSpec& spec);
};

}  // namespace troupe
