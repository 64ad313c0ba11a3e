// Records by number that outlive a process, more of them than a kept value could hold: what changes is added to a log, and a head says
// how much of that counts. The head is kept with the turn (mailbox/kept_store.h), and so all of a turn's changes are, or none.
//
// Memory:  two halves, of which one is in use. When more than half of its log is of records that are no more, those that are get copied
//          into the other one, which counts when the head says so. So the half of the last head that was committed is never
//          overwritten: where that is the other one still, the log grows instead.
// Recover: open() reads as much of the log as the head says. What lies behind that is of a turn that never was, and is overwritten.
// Errors:  overloaded, for more bytes than there may be; invalid, where the memory makes no sense; system, where there is no memory.
//          Nothing has changed then.
// Threads: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>

namespace troupe::mailbox {

class KeptRecords {
 public:
  // What counts: plain memory, to be kept by whoever uses this.
  struct Head {
    std::uint64_t half = 0;
    std::uint64_t bytes = 0;
  };
  struct Memory {
    // The half, of which so many bytes can be written. Errors: system.
    std::function<std::byte*(unsigned half, std::size_t bytes)> reach;
    // What is in it is of no use any more.
    std::function<void(unsigned half)> drop;
  };

  // Of all records with what stands before each; the log may take up to four times as much.
  KeptRecords(Memory memory, std::size_t mostBytes);
  static constexpr std::size_t kOverhead = 16;

  // Reads what a predecessor left.
  void open(const Head& head);
  const Head& head() const { return head_; }

  // To be called before anything is changed: this head, the last one that was committed, is no longer about to be replaced.
  void committed(const Head& head);

  // A record of that number from here on, or instead of the one there is.
  void put(std::uint64_t number, std::span<const std::byte> content);
  bool erase(std::uint64_t number);
  // Valid until the next change.
  std::optional<std::span<const std::byte>> find(std::uint64_t number) const;
  std::size_t size() const { return places_.size(); }
  std::size_t bytes() const { return live_; }
  // In the order of their numbers. Nothing may be changed meanwhile.
  void forEach(const std::function<void(std::uint64_t, std::span<const std::byte>)>& each) const;
  // The first one from that number on.
  std::optional<std::uint64_t> next(std::uint64_t from) const;

 private:
  struct Place {
    std::size_t offset = 0;  // of its content
    std::size_t bytes = 0;
  };
  struct Entry {
    std::uint64_t number;
    std::uint32_t bytes;  // of content, which follows, filled up to whole words
    std::uint32_t kind;
  };
  static_assert(sizeof(Entry) == kOverhead);
  static constexpr std::uint32_t kPut = 0x50757421;
  static constexpr std::uint32_t kErase = 0x45726173;
  static std::size_t spaceFor(std::size_t bytes) { return sizeof(Entry) + (bytes + 7) / 8 * 8; }

  void replay(std::size_t end);
  void add(std::uint64_t number, std::uint32_t kind, std::span<const std::byte> content);
  void write(std::byte* log, std::size_t offset, std::uint64_t number, std::uint32_t kind,
             std::span<const std::byte> content) const;
  void note(std::uint64_t number, Place place);
  bool forget(std::uint64_t number);
  void compact();

  Memory memory_;
  std::size_t mostBytes_;
  Head head_;
  std::byte* log_ = nullptr;  // the half in use
  std::uint64_t kept_ = 0;    // the half of the last head that was committed
  bool otherInUse_ = false;   // something may lie in the other half
  std::size_t live_ = 0;      // bytes of the log that records take
  std::map<std::uint64_t, Place> places_;
};

}  // namespace troupe::mailbox
