// Figures that are compared: what is done, by whom, and how it is measured.
//
// A figure is measured several times, in turns with the others, each time from the start; what counts is the
// median. Its ratio is the median by that of who comes first in the same workload: of times and memory a
// smaller one is better, of what is done in a second a larger one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace troupe::bench {

struct Figure {
  std::string workload;
  std::string who;
  std::string unit;
  std::function<double()> measure;
};

using Figures = std::vector<Figure>;

// How much of everything is done, of so many: less where instructions are counted, which takes long.
std::uint64_t effort(std::uint64_t count);
void setEffort(double part);

// A value that processes share from when it was made on.
class Shared {
 public:
  Shared();
  ~Shared();
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  double& operator*() { return *value_; }

 private:
  double* value_;
};

// Runs it in a process group of its own, of which nothing is left afterwards; gives what it returned. Nothing
// where it has failed, or takes longer than two minutes, times the effort where that is above 1; then what it
// has said on standard error is shown.
std::optional<double> inChild(const std::function<double()>& body);
// Kills what inChild() runs now; for a handler of signals.
void killChild();

// That of the clock, in nanoseconds.
double now();

// Ends the process: a figure of something that went wrong is none.
[[noreturn]] void fail(const std::string& what);
// With the text of errno.
[[noreturn]] void failOfSystem(const std::string& what);
// What fail() and others say it is about.
void setSubject(const std::string& subject);
void complain(const std::string& what);

// The contents that are sent as message number `i` of 64 bytes, and what they add up to.
constexpr std::size_t kMessageBytes = 64;
constexpr std::uint64_t valueOf(std::uint64_t i) { return i * 0x9e3779b97f4a7c15; }
std::uint64_t sumOf(std::uint64_t messages);

// Who is added first is what the others of the same workload are measured by.
void addPipes(Figures& figures);
void addActors(Figures& figures);
void addLarge(Figures& figures);
void addStarts(Figures& figures);
void addKills(Figures& figures);
void addMemory(Figures& figures);
void addScale(Figures& figures);
void addEcho(Figures& figures);
void addFanOut(Figures& figures);
void addRing(Figures& figures);
void addPeers(Figures& figures);
// Of the Savina suite of actor benchmarks, beside the thread ring.
void addCounting(Figures& figures);
void addPingPong(Figures& figures);
void addChameneos(Figures& figures);
void addBig(Figures& figures);
void addBoundedBuffer(Figures& figures);
void addDictionary(Figures& figures);
void addPhilosophers(Figures& figures);

}  // namespace troupe::bench
