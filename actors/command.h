// A foreign command that this process keeps: its streams, and its end. What guards it is os/guard.h.
//
// Order:     started, or the end with a failure; then readable and writable, as asked for; then the end, once, when nothing of it is left and
//            its guard was reaped. What it has written can still be read then.
// Ownership: who lets go of one that runs has it killed, with all below it; the object lives on by itself until that is done.
// Threads:   the loop's.
#pragma once

#include <sys/types.h>
#include <troupe/error.h>
#include <troupe/program.h>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loop/loop.h"
#include "os/guard.h"
#include "os/output.h"

namespace troupe::actors {

enum class Outlet : std::uint8_t { output, errors };

struct CommandOrder {
  std::vector<std::string> argv;
  Environment environment = {};
  bool inheritEnvironment = true;
  std::string directory = {};
  bool input = true;
  StreamTo output = StreamTo::reader;
  StreamTo errors = StreamTo::reader;
};

// Throws `invalid`, beginning with `what`, where it makes no sense.
void check(const CommandOrder& order, const std::string& what);

class Command {
 public:
  struct Hooks {
    std::function<void()> started;
    std::function<void(Outlet)> readable;
    std::function<void()> writable;
    std::function<void()> ended;
  };
  struct LetGo {
    void operator()(Command* command) const { command->letGo(); }
  };
  using Owned = std::unique_ptr<Command, LetGo>;

  // `keeper`: the path of this actor. Errors: system, where there is no descriptor or process left for it.
  static Owned start(const CommandOrder& order, const std::string& keeper, Hooks hooks);

  pid_t pid() const { return pid_; }
  bool ended() const { return ended_; }
  // Why it could not be started, once it has ended for that.
  const std::optional<Error>& failure() const { return failure_; }
  const ExitReason& reason() const { return reason_; }

  bool hasOutlet(Outlet outlet) const { return readerOf(outlet).valid(); }
  // Bytes; 0 at the end; -1 where nothing is there now.
  long read(Outlet outlet, char* into, std::size_t room);
  void wantRead(Outlet outlet, bool on);
  bool hasInput() const { return input_.valid(); }
  os::InputWrite write(std::string_view bytes);
  void wantWrite(bool on);
  void closeInput();

  void signal(int signal) { give(os::GuardOrder::signal, signal); }
  void stop(int signal) { give(os::GuardOrder::stop, signal); }
  void kill() { give(os::GuardOrder::kill, 0); }

 private:
  Command(const CommandOrder& order, const std::string& keeper, Hooks hooks);
  const os::Fd& readerOf(Outlet outlet) const { return readers_[static_cast<std::size_t>(outlet)]; }
  std::unique_ptr<loop::Poll>& readPollOf(Outlet outlet) {
    return readPolls_[static_cast<std::size_t>(outlet)];
  }
  void give(os::GuardOrder order, int signal);
  void letGo();
  void onReport();
  void note(const os::GuardReport& report);
  void onGuardEnded();

  Hooks hooks_;
  std::string name_;
  std::string directory_;
  os::Fd input_;
  std::array<os::Fd, 2> readers_;
  os::Guard guard_;
  std::unique_ptr<loop::Poll> guardPoll_;
  std::unique_ptr<loop::Poll> inputPoll_;
  std::array<std::unique_ptr<loop::Poll>, 2> readPolls_;
  pid_t pid_ = 0;
  bool ended_ = false;
  bool abandoned_ = false;
  std::optional<Error> failure_;
  // Where the guard says nothing of it: it was killed itself, and the command with it.
  ExitReason reason_ = {.kind = ExitKind::signaled, .code = SIGKILL, .text = "its guard was killed"};
};

}  // namespace troupe::actors
