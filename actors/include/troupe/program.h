// Program: a foreign command as a supervised child; and communicate(), which runs one to its end: what Python has in subprocess.
//
//     app.add<troupe::Program>("indexer", {.argv = {"/usr/bin/indexer", "--fast"}, .directory = "/srv", .stopWithin = 5s});
//
//     auto indexer = co_await find<troupe::Program>("indexer");
//     co_await indexer.write("text\n");
//     co_await indexer.closeInput();
//     while (auto line = co_await indexer.readLine()) use(*line);
//     const troupe::ExitReason end = co_await indexer.wait();
//
//     const troupe::CommandSpec count{.argv = {"wc", "-l"}, .within = 10s};
//     const troupe::Finished done = co_await troupe::communicate(self, count, "one\ntwo\n");
//
// End:       the actor ends when its command does, and for the same reason (exit code, signal, core dump): so restart types, limits
//            and back-off are about the command. A command that can't be executed is a failed start, `notStarted`.
// Stop:      `stopSignal` goes to the command and its process group; what is left after `stopWithin` is killed.
// Orphans:   none. Whoever is killed, the actor, a supervisor or the root: the command is, and all that it has started. The same
//            becomes of what it leaves behind when it ends. docs/actors/program.md says how, and how far the kernel goes.
// Runs:      a Program, with its copies, stands for one run of the command, the one that it was first used with. When that is over,
//            nothing more can be read, and writing is an Error `gone`, which tells the reason; find() again for the next run.
// Streams:   bytes pass unharmed. What nobody reads stays with the command, which waits when its pipe is full; who writes to a command that does not
//            read waits too. Of several readers each gets something else, in the order in which they ask. What was given to a
//            reader that dies is lost.
// Waiting:   for ever, or as long as within() says; then `timedOut`, and nothing has happened, or the error says what part of it.
// Errors:    gone (the run is over); system with EPIPE (the command has closed its input); timedOut; refused (a stream that is not
//            the caller's to use); invalid, for a spec that makes no sense; and those of calls.
// Threads:   the actor's.
#pragma once

#include <troupe/app.h>
#include <troupe/exit_reason.h>
#include <troupe/ref.h>
#include <troupe/self.h>
#include <troupe/spec.h>
#include <troupe/task.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

// Where the output of a command goes.
enum class StreamTo : std::uint8_t {
  reader,  // to whoever reads it
  log,     // to the app's output, as what actors print: whole lines, with the actor's path before each
  nowhere,
};

using Environment = std::vector<std::pair<std::string, std::string>>;

struct ProgramSpec {
  // The first is a path, or a name to be looked for in PATH.
  std::vector<std::string> argv;
  // Variables, beside those of the app and instead of any of the same name; or without those.
  Environment environment = {};
  bool inheritEnvironment = true;
  // Where it runs; empty: where the app does.
  std::string directory = {};
  // False: its input is empty.
  bool input = true;
  StreamTo output = StreamTo::reader;
  StreamTo errors = StreamTo::log;
  int stopSignal = SIGTERM;
  // This counts, and child.stop does not.
  Duration stopWithin = std::chrono::seconds(5);
  // So long after the command's end, and after each read since, its output can still be read, if there is any; then the actor ends.
  Duration keepOutput = std::chrono::seconds(5);
  // limits.memory holds for the command, for each of its processes.
  ChildSpec child = {.onCrash = OnCrash::retry(3)};
};

// A command that runs once.
struct CommandSpec {
  std::vector<std::string> argv;
  Environment environment = {};
  bool inheritEnvironment = true;
  std::string directory = {};
  StreamTo errors = StreamTo::reader;
  // At the end of this time it is killed, with all that it has started.
  Duration within = kForever;
  // Of output and errors.
  std::size_t mostBytes = 64_MiB;
};

struct Finished {
  std::string output;
  std::string errors;
  ExitReason reason;
  // It has ended with exit code 0.
  bool ok() const { return reason.clean(); }
};

// Runs a command with this input, as a child of this very actor, until it has ended. Where the task is destroyed, or the actor dies,
// the command is killed. Errors: timedOut, after `within`; overloaded, for more output than `mostBytes`: it has been killed then. system, where
// it can't be executed; invalid. That it fails is no error: see Finished::reason.
Task<Finished> communicate(Self self, CommandSpec command, std::string input = {});

namespace detail {
struct ProgramBinding;
}

class Program : public RefBase {
 public:
  using Spec = ProgramSpec;

  explicit Program(RefBase program);
  // The same, where nothing waits longer than that.
  Program within(Duration deadline) const {
    Program other = *this;
    other.deadline_ = deadline;
    return other;
  }

  // Until the system has taken all of it, which says nothing of the command. Up to 1 MiB goes whole; more may be mixed with what
  // others write.
  Task<> write(std::string bytes) const;
  // The command finds the end of its input behind what was written.
  Task<> closeInput() const;

  // The next line, without its end; nothing at the end of the output. One that is longer than 1 MiB comes in pieces.
  Task<std::optional<std::string>> readLine() const;
  // What there is, at least one byte and at most `most`; nothing at the end.
  Task<std::optional<std::string>> read(std::size_t most = 64_KiB) const;
  Task<std::optional<std::string>> readErrorLine() const;
  Task<std::optional<std::string>> readErrors(std::size_t most = 64_KiB) const;

  // Until the run is over: why.
  Task<ExitReason> wait() const;
  // To the command itself.
  Task<> signal(int signal) const;
  // Of the command.
  Task<int> pid() const;

  // Used by find() and Group::add().
  static ServedProtocol served();
  static void declare(Group& group, std::string id, const ProgramSpec& spec);

 private:
  std::shared_ptr<detail::ProgramBinding> binding_;
};

}  // namespace troupe
