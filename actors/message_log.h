// Numbered messages in an actor's kept table, who waits for room to write one, and who reads them, each from where it is: what a topic is
// made of, and each way of a channel.
//
// Room:     a message stays until each reader has said that it has it. Where there is no room for another, who writes waits; or the oldest
//           make room, and those who have not read them are told how many there were.
// Records:  16 times a number, plus four times the log's place among the table's logs, plus
//             0  a message, by its number; of number 0 what is known of the log itself
//             1  one who waits to write, 2 what that is
//             3  a reader
// Commit:   what a turn changes counts with the turn; outside of turns each answer counts together with what was changed for it.
// Fairness: a few are answered at a time. Where more could be, the actor is asked to call serve() again, at once, outside of the turn.
// Threads:  the actor's.
#pragma once

#include <troupe/actor.h>
#include <troupe/kept_table.h>
#include <troupe/later.h>

#include <capnp/any.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "actors/alarm.h"
#include "schemas/feed.actor.h"

namespace troupe::actors {

class MessageLog {
 public:
  using Number = std::uint64_t;

  enum class Slow : std::uint8_t { block, dropOldest, disconnect };
  struct Limits {
    std::size_t messages = 1000;
    std::size_t bytes = std::size_t{64} << 20;
    std::size_t history = 0;  // so many of the last are not dropped because all have read them
    Slow slow = Slow::block;  // what becomes of a reader who is behind when there is no room
  };
  // In a table, beside its messages: for those who read or wait.
  static constexpr std::size_t kOthersBytes = std::size_t{8} << 20;
  // Of a table, with those who wait for room.
  static std::size_t tableBytes(const Limits& limits) { return 2 * limits.bytes + kOthersBytes; }
  static bool isOf(std::uint64_t record, unsigned place) { return record % 16 / 4 == place; }

  struct Reader {
    Caller owner = {};
    std::uint64_t ticket = 0;
    Number after = 0;  // it has what came up to here
    Number given = 0;  // it, or its owner before, was given what came up to here
    Instant deadline = kNever;
    std::uint32_t most = 1;
    std::uint32_t waits = 0;
    Later<ReadAnswer> call = {};
    Number begun = 0;  // the oldest message when it came: those before it has not missed by being slow
  };
  struct Writer {
    Caller owner = {};
    Instant deadline = kNever;
    Later<WriteAnswer> call = {};
  };

  // `place`: 0 to 3 in its table. `again`: asks for serve() and onTime() at that time. `what`: "topic", for errors.
  MessageLog(KeptTable& table, unsigned place, const Limits& limits, std::string what,
             std::function<void(Instant)> again)
      : table_(table), place_(place), limits_(limits), what_(std::move(what)), again_(std::move(again)) {}

  // In init(): a record of the process before, and all of them.
  void load(std::uint64_t record, std::span<const std::byte> bytes);
  void begin();

  // Answered when there was room. True: it waits for that.
  bool write(capnp::AnyPointer::Reader value, const Caller& writer, std::int64_t wait,
             Results<WriteAnswer>& out);
  // Answered with what comes after `after`, when something has.
  void read(Number reader, Number after, std::uint32_t most, std::int64_t wait, Results<ReadAnswer>& out);

  // Readers have numbers too, from 1 on. One that is added has what came up to `after`.
  void add(Number reader, const Caller& owner, std::uint64_t ticket, Number after);
  void remove(Number reader);
  // It belongs to somebody else from now on, or to nobody, and does not wait.
  void pass(Number reader, const Caller& owner, std::uint64_t ticket);
  const std::map<Number, Reader>& readers() const { return readers_; }
  const std::map<Number, Writer>& writers() const { return writers_; }
  std::size_t waitingReaders() const { return waiting_.size(); }

  // Those of one who has died wait no longer.
  void dropWritersOf(const Caller& owner);
  void refuseWriters(const std::string& why);
  // Where it waits; pass() or remove() is to follow.
  void refuseReader(Number reader, const std::string& why);
  // Nothing more can be written; who reads is told when nothing is left.
  void close();
  bool closed() const { return meta_.closed != 0; }
  // Without messages, and open. Readers have what there was; numbers go on.
  void clear();

  // Lets those in who wait for room, and tells those who read. To be called when something has changed.
  void serve();
  // Those whose time is over are told so.
  void onTime();

  Number last() const { return meta_.last; }
  // The number of the oldest message that is there, or of the next one.
  Number oldest() const { return meta_.last + 1 - sizes_.size(); }
  std::size_t size() const { return sizes_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Meta {
    Number last = 0;
    Number lastWriter = 0;
    std::uint64_t closed = 0;
  };
  // What is to be given to a reader: messages from `first` to `end`, that one not included.
  struct Portion {
    ReadAnswer::Outcome outcome = ReadAnswer::Outcome::NOTHING;
    Number first = 0;
    Number end = 0;
    Number missed = 0;
    Number again = 0;
    std::size_t bytes = 0;
  };
  enum Kind : std::uint64_t { message = 0, writer = 1, content = 2, reader = 3 };

  std::uint64_t record(Number number, Kind kind) const { return 16 * number + 4 * place_ + kind; }
  template <class T>
  void keep(std::uint64_t record, const T& value);
  void keepMeta();
  void note(Number number, const Reader& reader);
  void save(Number number, const Reader& reader);
  void unnote(Number number);
  void forgetWriter(Number number);
  bool fits(std::size_t bytes) const;
  bool makeRoom(std::size_t bytes);
  bool allHave(Number number) const { return afters_.empty() || *afters_.begin() >= number; }
  void dropOldest();
  void trim();
  void append(std::span<const std::byte> content);
  bool admitWriters();
  void tellReaders();
  Portion portionFor(const Reader& reader) const;
  void put(const Portion& portion, ReadAnswer::Builder answer) const;
  std::optional<std::size_t> give(Number number);
  void answerNothing(Number number);

  KeptTable& table_;
  unsigned place_;
  Limits limits_;
  std::string what_;
  std::function<void(Instant)> again_;
  Meta meta_;
  std::deque<std::size_t> sizes_;  // of the messages, from the oldest on
  std::size_t bytes_ = 0;
  std::map<Number, Writer> writers_;
  std::size_t writing_ = 0;  // bytes of what they have
  std::map<Number, Reader> readers_;
  std::multiset<Number> afters_;  // of the readers
  std::set<Number> waiting_;      // readers
  bool news_ = false;             // there may be something for those who wait
};

}  // namespace troupe::actors
