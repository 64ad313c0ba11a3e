// The actor that keeps a foreign command: it begins and ends with it, and is the other end of its streams.
//
// State: none that outlives the process, since the command does not. Those who wait for something of it watch the process themselves
//        (program_client.cc), and learn of its end.
#pragma once

#include <troupe/program.h>

#include <deque>
#include <list>
#include <string>
#include <string_view>

#include "actors/alarm.h"
#include "actors/command.h"
#include "actors/occasion.h"
#include "actors/parties.h"
#include "schemas/program.actor.h"

namespace troupe::actors {

// What was read, and not given to anybody yet.
class Inflow {
 public:
  std::string_view rest() const { return std::string_view(bytes_).substr(given_); }
  void add(std::string_view bytes);
  // The length of the first line, with its end; 0 where there is no whole one.
  std::size_t line();
  void drop(std::size_t bytes);

 private:
  std::string bytes_;
  std::size_t given_ = 0;
  std::size_t searched_ = 0;  // of the rest: no line ends there
};

class ProgramActor final : public Actor<ProgramActor, ProgramProtocol> {
 public:
  explicit ProgramActor(const ProgramSpec& spec);

  Task<> init();
  Task<> run();
  Task<> stopping();
  void attach(AttachParams in, AttachResults out);
  void write(WriteParams in, WriteResults out);
  void closeInput(CloseInputParams in, CloseInputResults out);
  void read(ReadParams in, ReadResults out);
  void withdraw(WithdrawParams in);
  void signal(SignalParams in, SignalResults out);
  void wait(WaitParams in, WaitResults out);

 private:
  using Outcome = ProgramProtocol::Outcome;
  // Who waits, and how long.
  struct Party {
    Caller owner;
    std::uint64_t ticket = 0;
    Instant deadline = kNever;
  };
  struct Read : Party {
    bool line = false;
    std::size_t most = 0;
    Later<ProgramProtocol::ReadResults> call;
  };
  struct Write : Party {
    std::string bytes;
    std::size_t written = 0;
    Later<ProgramProtocol::WriteResults> call;
  };
  struct Waiter : Party {
    Later<ProgramProtocol::WaitResults> call;
  };
  struct Source {
    Inflow inflow;
    std::list<Read> reads;
    bool over = false;  // nothing more will come
  };

  Source& sourceOf(Outlet outlet) { return sources_[static_cast<std::size_t>(outlet)]; }
  bool isOver(std::uint32_t run) { return run != self().generation(); }
  bool refusesToWait(auto& out) const;
  template <class P>
  P party(std::uint64_t ticket, std::int64_t wait);
  std::optional<std::size_t> available(Source& source, const Read& read);
  bool readMore(Outlet outlet, bool all);
  void serve(Outlet outlet);
  void pour();
  void breakInput();
  void onEnded();
  void onPartyEnded(const Caller& party);
  void onTime();
  void lookIfOver();
  ExitReason reason() const;
  void answer(const Waiter& waiter) const;

  ProgramSpec spec_;
  Command::Owned command_;
  std::array<Source, 2> sources_;
  std::list<Write> writes_;
  std::size_t writeBytes_ = 0;
  bool closeInput_ = false;  // when they are done
  std::list<Waiter> waiters_;
  bool stopping_ = false;
  Occasion started_;
  Occasion ended_;
  Occasion over_;
  Instant keepUntil_ = kNever;
  Parties parties_;
  Alarm alarm_;
};

}  // namespace troupe::actors
