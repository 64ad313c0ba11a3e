// A play: members who do nothing but answer notes with notes. The same is played by processes with a bare pipe
// each and by actors, so that only what carries the notes is compared.
//
// Order:  what one member sends to another arrives in the order of sending, whoever plays.
// Bounds: a member that reads has few notes under way to anybody, or bare pipes would block each other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/compare/figure.h"

namespace troupe::bench {

struct Note {
  std::uint32_t from = 0;
  std::uint32_t kind = 0;
  std::uint64_t value = 0;
};

// Nobody's kinds but these: the play begins, and a member is done, with a value that is added up.
constexpr std::uint32_t kBegin = 0;
constexpr std::uint32_t kDone = 1;
constexpr std::uint32_t kFirstKind = 2;
// To whom a member says that it is done.
constexpr std::uint32_t kDirector = 0;

class Post {
 public:
  virtual ~Post() = default;
  virtual std::uint32_t me() const = 0;
  virtual void send(std::uint32_t to, std::uint32_t kind, std::uint64_t value = 0) = 0;
};

class Part {
 public:
  virtual ~Part() = default;
  virtual void on(const Note& note, Post& post) = 0;
};

struct Play {
  std::uint32_t members = 0;  // 1 to so many; each is told to begin
  std::function<std::unique_ptr<Part>(std::uint32_t member)> cast;
  // To whom a member sends, beside the director; empty: to all.
  std::function<std::vector<std::uint32_t>(std::uint32_t member)> partners = {};
  // The play is over when so many have said that they are done, with values that add up to `sum`.
  std::uint32_t done = 0;
  std::uint64_t sum = 0;
  std::size_t mailboxBytes = 0;  // of actors, as in their ChildSpec
};

// Nanoseconds from the first note to the last.
double playWithPipes(const Play& play);
double playWithActors(const Play& play);

// Two figures: `unit` says what `figureOf` makes of a play's nanoseconds.
void addPlay(Figures& figures, const std::string& workload, const std::string& unit,
             const std::function<Play()>& play, const std::function<double(double nanoseconds)>& figureOf);

}  // namespace troupe::bench
