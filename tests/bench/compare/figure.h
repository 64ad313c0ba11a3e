// Figures that are compared: what is done, by whom, and how it is measured.
//
// A figure is measured several times, in turns with the others, each time from the start; what counts is the median.
#pragma once

#include <cstdint>
#include <functional>
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

// Runs it in a process of its own, which must end in order; gives what it returned.
double inChild(const std::function<double()>& body);

// That of the clock, in nanoseconds.
double now();

// Ends the program: a figure of something that went wrong is none.
[[noreturn]] void fail(const std::string& what);

// The contents that are sent as message number `i` of 64 bytes, and what they add up to.
constexpr std::size_t kMessageBytes = 64;
constexpr std::uint64_t valueOf(std::uint64_t i) { return i * 0x9e3779b97f4a7c15; }
std::uint64_t sumOf(std::uint64_t messages);

void addPipes(Figures& figures);
void addActors(Figures& figures);

}  // namespace troupe::bench
