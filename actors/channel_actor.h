// The actor that a channel is: a log of messages for each way, and who has the ends.
//
// State: the logs; the ends; and those who wait for an end, each with a number, in order: record 16 times that, plus 8.
// Order: an end counts as gone, or free, when all else that follows from its owner's death has happened: so that the next process finds it
//        again where this one dies in between, since it is told of that death too.
#pragma once

#include <troupe/channel.h>
#include <troupe/kept.h>
#include <troupe/kept_table.h>

#include <array>
#include <map>
#include <optional>

#include "actors/alarm.h"
#include "actors/message_log.h"
#include "actors/parties.h"

namespace troupe::actors {

class ChannelActor final : public Actor<ChannelActor, ChannelProtocol> {
 public:
  ChannelActor(const ChannelSpec& spec, std::uint64_t type);

  void init();
  Task<> run();
  void claim(ClaimParams in, ClaimResults out);
  void send(SendParams in, SendResults out);
  void read(ReadParams in, ReadResults out);
  void finish(FinishParams in, FinishResults out);
  void close(CloseParams in, CloseResults out);
  void letGo(LetGoParams in);
  void status(StatusParams in, StatusResults out);

 private:
  enum class State : std::uint32_t { free, owned, gone };
  struct End {
    Caller owner = {};
    std::uint64_t ticket = 0;
    State state = State::free;
    std::uint32_t reserved = 0;
  };
  using Ends = std::array<End, 2>;
  struct Claim {
    Caller owner = {};
    std::uint64_t ticket = 0;
    Instant deadline = kNever;
    std::uint64_t end = 0;
    Later<ChannelProtocol::ClaimResults> call = {};
  };

  // The log that the end reads from, and the one it writes to.
  MessageLog& to(std::size_t end) { return ways_[end]; }
  MessageLog& from(std::size_t end) { return ways_[1 - end]; }
  std::optional<std::size_t> endOf(const Caller& owner, std::uint64_t ticket) const;
  std::optional<std::size_t> endOrRefuse(std::uint64_t ticket, auto& out) const;
  void load(std::uint64_t record, std::span<const std::byte> bytes);
  void dropClaim(std::uint64_t number);
  void leave(std::size_t end, bool forGood);
  void grant(const Claim& claim);
  void settle();
  void serve();
  void onEnded(const Caller& party);
  void onTime();
  void tell(std::size_t end, ChannelProtocol::End::Builder status);

  ChannelSpec spec_;
  std::uint64_t type_;
  KeptTable table_;
  std::array<MessageLog, 2> ways_;
  Kept<Ends> ends_;
  std::map<std::uint64_t, Claim> claims_;  // that wait
  Kept<std::uint64_t> lastClaim_;
  Parties parties_;
  Alarm alarm_;
};

}  // namespace troupe::actors
