// What a supervisor is told about its children: plain data with defaults, given with designated initialisers.
//
// The terms and their meaning are those of Erlang/OTP's supervisor; docs/supervision.md lists the differences. A value that
// makes no sense is refused with an `invalid` error that names the child, the field and the value, when the spec is given.
#pragma once

#include <troupe/exit_reason.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

using Duration = std::chrono::nanoseconds;

// Waits for ever, where a limit is asked for.
inline constexpr Duration kForever = Duration::max();

// Text of at most 128 bytes that lies in place: it makes the specs plain memory, which can be copied like numbers.
class ShortText {
 public:
  static constexpr std::size_t kLongest = 128;

  constexpr ShortText() = default;
  constexpr ShortText(const char* text) : ShortText(std::string_view(text)) {}
  ShortText(const std::string& text) : ShortText(std::string_view(text)) {}
  // Errors: invalid, where it is longer.
  constexpr ShortText(std::string_view text) {
    if (text.size() > kLongest) tooLong(text);
    for (const char character : text) bytes_[size_++] = character;
  }

  constexpr std::string_view view() const { return {bytes_, size_}; }
  std::string string() const { return std::string(view()); }
  constexpr bool empty() const { return size_ == 0; }
  friend constexpr bool operator==(const ShortText& a, const ShortText& b) { return a.view() == b.view(); }

 private:
  [[noreturn]] static void tooLong(std::string_view text);
  char bytes_[kLongest] = {};
  std::size_t size_ = 0;
};

enum class Restart : std::uint8_t {
  permanent,  // always restarted
  transient,  // restarted after an abnormal end only
  temporary,  // never restarted; its spec goes with it
};

enum class Strategy : std::uint8_t {
  oneForOne,   // only the child that ended is restarted
  oneForAll,   // all children are stopped and restarted
  restForOne,  // the child that ended and those started after it are
};

enum class AutoShutdown : std::uint8_t { never, anySignificant, allSignificant };

// What a supervisor says of a child.
enum class ChildState : std::uint8_t {
  stopped,   // no process, and none will be started by itself
  starting,  // started at first or by hand; not ready yet
  running,
  restarting,  // ended, and being started again, or waiting for that
  stopping,
};
const char* toString(ChildState state);

enum class Launch : std::uint8_t {
  fork,  // a copy of the supervisor: fast, shares pages, captures arguments
  exec,  // a fresh image of this program, which runs main again: its own memory layout
};

// Where a child's standard output and error go.
enum class Output : std::uint8_t {
  prefixed,   // to the app's own, whole lines with the actor's path before them
  inherited,  // straight to the app's own, untouched
};

// How a child is stopped.
struct Stop {
  // SIGKILL at once.
  static constexpr Stop brutalKill() { return Stop{Duration::zero()}; }
  // Asked to stop, and killed where it has not within `limit`.
  static constexpr Stop within(Duration limit) { return Stop{limit}; }
  // Asked to stop, and waited for without a limit.
  static constexpr Stop infinity() { return Stop{kForever}; }

  Duration limit = std::chrono::seconds(5);
  friend bool operator==(const Stop&, const Stop&) = default;
};

// The wait before a restart. Off by default, as in OTP; then a restart follows at once. Each attempt counts as
// a restart. A child that has been up for `limit` starts over at `first`.
struct BackOff {
  Duration first = Duration::zero();          // before the first restart; zero: no back-off
  Duration limit = std::chrono::seconds(30);  // never longer than this
  double factor = 2.0;                        // each further wait is so many times longer, >= 1
  double jitter = 0.2;                        // a random part of so much, up or down; 0 to 1
  friend bool operator==(const BackOff&, const BackOff&) = default;
};

// What becomes of a message that was in an actor's hands when its process died. One that is dropped goes to the dead letters, and
// its caller, if it was a call, is told at once.
struct OnCrash {
  static constexpr OnCrash drop() { return OnCrash{0}; }
  // The next process handles it first, and after `times` more deaths with it in hand it is dropped. What the handler had sent
  // with calls has happened already; casts and kept state have not.
  static constexpr OnCrash retry(unsigned times) { return OnCrash{times}; }

  unsigned retries = 0;
  friend bool operator==(const OnCrash&, const OnCrash&) = default;
};

inline namespace literals {
constexpr std::size_t operator""_KiB(unsigned long long number) {
  return static_cast<std::size_t>(number) << 10;
}
constexpr std::size_t operator""_MiB(unsigned long long number) {
  return static_cast<std::size_t>(number) << 20;
}
constexpr std::size_t operator""_GiB(unsigned long long number) {
  return static_cast<std::size_t>(number) << 30;
}
}  // namespace literals

// What an actor's process may use. The kernel sees to it, so an endless loop does not escape it. The actor is then ended for a reason of
// that name, and the message in hand is dealt with as after any other crash. Zero: no limit.
struct Limits {
  // Bytes of memory of its own, which it can write to and shares with nobody: its code, the stack that it began with and what is in
  // messages do not count. To ask for more fails (std::bad_alloc): where nothing catches that, the reason is `memoryLimit`. At least 8 MiB.
  std::size_t memory = 0;
  // Of the processor, and of the clock, for one message; of a reentrant actor, for those that overlap. `cpuLimit`, `wallLimit`.
  Duration cpuPerMessage = Duration::zero();
  Duration wallPerMessage = Duration::zero();
  friend bool operator==(const Limits&, const Limits&) = default;
};

inline constexpr std::size_t kDefaultMessageBytes = std::size_t{64} << 20;

struct ChildSpec {
  Restart restart = Restart::permanent;
  Stop stop = {};
  // The constructor and init() must be done within this time, or the start has failed with `notReady`.
  Duration readyWithin = std::chrono::seconds(30);
  // With Restart::transient or temporary only, and only where the supervisor has an AutoShutdown.
  bool significant = false;
  BackOff backOff = {};
  OnCrash onCrash = {};
  // A child that does not get round to its event loop within this time is killed, with reason `hung`. Zero: not watched.
  Duration watchdog = Duration::zero();
  Limits limits = {};
  // After so many messages the process ends in an orderly way (`recycled`) and is replaced by a fresh one, which no limit of restarts
  // counts. 0: never.
  unsigned recycleAfter = 0;
  Launch launch = Launch::fork;
  Output output = Output::prefixed;
  // So many processes are kept ready to become this child when its process has died: hot spares. Each has forked and has made
  // what it can without being the actor, and takes the memory of an idle one; the constructor runs when it becomes the actor. At
  // most 16; none for a template, a temporary child or a supervisor, and none once the child was upgraded.
  unsigned spares = 0;
  // Of a template: so many instances, one after the other, one process may be. When one has ended in order, its process waits for the
  // next to be started, for some seconds, and is that: it saves a fork and an end, which is most of what a short life costs. Constructor,
  // destructor, mailbox and all that belongs to an actor are each instance's own; global variables, and what the last has
  // left in them, are not. A crash, a signal, a thread or a child process that is left end the process as ever. Not for a permanent
  // child, which would go on in the process it is to be restarted from. At least 1: then each has a process of its own.
  unsigned instancesPerProcess = 1;
  // An app-wide name to be found by, beside the path. Taken names are refused with the holder's path.
  ShortText name = {};
  // Bytes of pipe behind the mailbox; 0 is the system's default (64 KiB). One packet takes 4096 of them. Where more actors
  // send at the same time than it has room for a packet of each, it grows, up to 1 MiB. More is asked of the system, and done
  // without where it says no.
  std::size_t mailboxBytes = 0;
  // Bytes of the largest message that this actor may send: call, cast or reply; at most 512 MiB. What does not fit a packet lies in
  // memory that the receiver reads in place, of which there is four times as much (64 MiB at least), and which is taken only
  // while messages lie in it. 0: messages must fit a packet, which is some 4000 bytes.
  std::size_t maxMessageBytes = kDefaultMessageBytes;
};

struct SupervisorSpec {
  Strategy strategy = Strategy::oneForOne;
  // Gives up at more than maxRestarts within `within` (OTP's intensity and period, with OTP's defaults).
  unsigned maxRestarts = 1;
  Duration within = std::chrono::seconds(5);
  AutoShutdown autoShutdown = AutoShutdown::never;

  // As a child of its own supervisor:
  Restart restart = Restart::permanent;
  Stop stop = Stop::infinity();
  Duration readyWithin = kForever;
  bool significant = false;
  BackOff backOff = {};
};

struct PoolSpec {
  // Workers; 0 is the number of cores that this process may use.
  unsigned size = 0;
  // Hot spares (ChildSpec::spares) that any of the workers may need.
  unsigned spares = 0;
  unsigned maxRestarts = 10;  // deaths with a message in hand do not count: onCrash ends those
  Duration within = std::chrono::seconds(1);
  // Of each worker:
  Restart restart = Restart::permanent;
  Stop stop = {};
  Duration readyWithin = std::chrono::seconds(30);
  BackOff backOff = {};
  OnCrash onCrash = {};
  Duration watchdog = Duration::zero();
  Limits limits = {};
  unsigned recycleAfter = 0;
  Launch launch = Launch::fork;
  Output output = Output::prefixed;
  std::size_t mailboxBytes = 0;
  std::size_t maxMessageBytes = kDefaultMessageBytes;
};

}  // namespace troupe
