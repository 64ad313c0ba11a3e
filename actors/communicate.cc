// A foreign command that an actor runs to its end.
#include <troupe/program.h>

#include "actors/command.h"
#include "actors/occasion.h"
#include "actors/waiting.h"

#include <array>

namespace troupe {

namespace {

using actors::Command;
using actors::CommandOrder;
using actors::Outlet;

constexpr std::size_t kRead = std::size_t{64} << 10;
// So long after it was killed it is waited for: one that the kernel holds fast can't end.
constexpr auto kTimeToDie = std::chrono::seconds(5);

CommandOrder orderOf(const CommandSpec& spec) {
  return {.argv = spec.argv,
          .environment = spec.environment,
          .inheritEnvironment = spec.inheritEnvironment,
          .directory = spec.directory,
          .errors = spec.errors};
}

class Communication {
 public:
  Communication(const CommandSpec& spec, const std::string& keeper, std::string input)
      : mostBytes_(spec.mostBytes),
        input_(std::move(input)),
        limit_(loop::currentLoop(), [this] { onTime(); }) {
    command_ = Command::start(orderOf(spec), keeper,
                              {.started = {},
                               .readable = [this](Outlet outlet) { read(outlet, 1); },
                               .writable = [this] { write(); },
                               .ended = [this] { onEnded(); }});
    for (const Outlet outlet : {Outlet::output, Outlet::errors}) {
      if (command_->hasOutlet(outlet)) command_->wantRead(outlet, true);
    }
    if (spec.within != kForever) limit_.startIn(spec.within);
    write();
  }
  Communication(const Communication&) = delete;

  actors::Occasion over;
  bool timedOut() const { return timedOut_; }
  bool tooMuch() const { return tooMuch_; }
  const std::optional<Error>& failure() const { return command_->failure(); }
  Finished finished() {
    return {.output = std::move(text_[0]), .errors = std::move(text_[1]), .reason = command_->reason()};
  }

 private:
  void write() {
    while (command_->hasInput()) {
      if (written_ == input_.size()) return command_->closeInput();
      const os::InputWrite wrote = command_->write(std::string_view(input_).substr(written_));
      // A command that does not want all of its input has its reasons.
      if (wrote.error != 0) return command_->closeInput();
      written_ += wrote.bytes;
      if (wrote.bytes == 0) return command_->wantWrite(true);
    }
  }

  void read(Outlet outlet, int pieces) {
    static std::array<char, kRead> buffer;
    std::string& text = text_[static_cast<std::size_t>(outlet)];
    for (; pieces != 0 && !tooMuch_; --pieces) {
      const long got = command_->read(outlet, buffer.data(), buffer.size());
      if (got == 0 && !command_->ended()) command_->wantRead(outlet, false);
      if (got <= 0) return;
      text.append(buffer.data(), static_cast<std::size_t>(got));
      if (text_[0].size() + text_[1].size() <= mostBytes_) continue;
      tooMuch_ = true;
      command_->kill();
      for (const Outlet each : {Outlet::output, Outlet::errors}) {
        if (command_->hasOutlet(each)) command_->wantRead(each, false);
      }
    }
  }

  void onTime() {
    if (command_->ended()) return;
    if (timedOut_) return over.happen();
    timedOut_ = true;
    command_->kill();
    limit_.startIn(kTimeToDie);
  }

  void onEnded() {
    for (const Outlet outlet : {Outlet::output, Outlet::errors}) {
      if (command_->hasOutlet(outlet)) read(outlet, -1);
    }
    over.happen();
  }

  const std::size_t mostBytes_;
  std::string input_;
  std::size_t written_ = 0;
  std::array<std::string, 2> text_;
  bool timedOut_ = false;
  bool tooMuch_ = false;
  Command::Owned command_;
  loop::Timer limit_;
};

}  // namespace

Task<Finished> communicate(Self self, CommandSpec command, std::string input) {
  const std::string what =
      "running " + (command.argv.empty() ? "a command" : command.argv.front()) + " from " + self.path();
  check(orderOf(command), what);
  Communication communication(command, self.path(), std::move(input));
  co_await communication.over;
  if (const auto& failure = communication.failure()) throw *failure;
  if (communication.tooMuch())
    throw Error(ErrorKind::overloaded, what + ": it has written more than " +
                                           std::to_string(command.mostBytes) + " bytes, and was killed");
  if (communication.timedOut())
    throw Error(ErrorKind::timedOut,
                what + ": it had not ended within " + actors::inWords(command.within) + ", and was killed");
  co_return communication.finished();
}

}  // namespace troupe
