#include "tests/bench/compare/figure.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "tests/unit/os/children.h"

namespace troupe::bench {

namespace {
double part = 1;
}

std::uint64_t effort(std::uint64_t count) {
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(static_cast<double>(count) * part));
}

void setEffort(double to) { part = to; }

Shared::Shared() {
  void* const memory =
      ::mmap(nullptr, sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("no memory to measure in");
  value_ = new (memory) double(0);
}

Shared::~Shared() { ::munmap(value_, sizeof *value_); }

double inChild(const std::function<double()>& body) {
  Shared result;
  os::test::Child process([&] {
    *result = body();
    return 0;
  });
  const int code = process.exitCode();
  if (code != 0) fail("what was measured ended with code " + std::to_string(code));
  return *result;
}

double now() {
  return static_cast<double>(std::chrono::steady_clock::now().time_since_epoch() /
                             std::chrono::nanoseconds(1));
}

void fail(const std::string& what) {
  std::fprintf(stderr, "bench: %s\n", what.c_str());
  std::fflush(nullptr);
  ::_exit(1);
}

std::uint64_t sumOf(std::uint64_t messages) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < messages; ++i) sum += valueOf(i);
  return sum;
}

}  // namespace troupe::bench
