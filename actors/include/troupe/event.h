// Event: an actor that is set or not, and for which others wait: multiprocessing's Event.
//
//     app.add<troupe::Event>("open");
//
//     auto open = co_await find<troupe::Event>("open");
//     co_await open.wait();             co_await open.set();
//
// Waiting:   wait() goes on when it is set, for all who wait; for ever, or as long as within() says: then it ends with `timedOut`. Who waited
//            when it was set goes on, however soon it is cleared.
// Crash:     whether it is set, and who waits, survives the event's own death, and that of whoever has set it.
// Errors:    timedOut, and those of calls.
// Threads:   the actor's.
#pragma once

#include <troupe/app.h>
#include <troupe/self.h>
#include <troupe/spec.h>
#include <troupe/task.h>

#include <cstdint>
#include <string>
#include <utility>

namespace troupe {

struct EventSpec {
  ChildSpec child = {.onCrash = OnCrash::retry(3)};
};

struct EventStatus {
  bool set = false;
  std::uint64_t waiting = 0;
};

class Event {
 public:
  using Spec = EventSpec;

  explicit Event(RefBase event) : event_(std::move(event)) {}
  // The same, where nothing waits longer than that.
  Event within(Duration wait) const {
    Event other = *this;
    other.wait_ = wait;
    return other;
  }

  Task<> set() const;
  Task<> clear() const;
  Task<bool> isSet() const;
  Task<> wait() const;
  Task<EventStatus> status() const;

  const std::string& path() const { return event_.path(); }

  // Used by find() and Group::add().
  static ServedProtocol served();
  static void declare(Group& group, std::string id, const EventSpec& spec);

 private:
  RefBase event_;
  Duration wait_ = kForever;
};

}  // namespace troupe
