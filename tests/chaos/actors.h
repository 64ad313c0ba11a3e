// What the apps of the chaos tests are made of.
#pragma once

#include <troupe/troupe.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <optional>
#include <string>

#include "schemas/chaos.actor.h"

namespace tests {

using namespace std::chrono_literals;

// What the test program writes, line by line: read by the app's main, which has the standard input.
class Console {
 public:
  troupe::Task<std::optional<std::string>> line() {
    for (;;) {
      const auto end = text_.find('\n');
      if (end != std::string::npos) {
        std::string line = text_.substr(0, end);
        text_.erase(0, end + 1);
        co_return line;
      }
      std::array<std::byte, 256> buffer;
      const auto bytes = co_await input_.readSome(buffer);
      if (!bytes) co_return std::nullopt;
      text_ += bytes.text();
    }
  }

 private:
  troupe::net::Stream input_ = troupe::net::Stream::fromFd(::dup(STDIN_FILENO));
  std::string text_;
};

// Answers; now and then it takes its time, so that it gets killed with a call in hand.
class Member : public troupe::Actor<Member, chaos::Member> {
 public:
  void locate(LocateParams, LocateResults out) { out.setPid(::getpid()); }
  troupe::Task<> triple(TripleParams in, TripleResults out) {
    handled(in.getNumber());
    if (in.getNumber() % 16 == 0) co_await sleepFor(2ms);
    out.setTripled(3 * in.getNumber());
  }

 protected:
  virtual void handled(std::uint64_t) {}
};

// To be seen by the test program, which looks for it.
inline void unexpected(const std::string& what) { std::fprintf(stderr, "UNEXPECTED: %s\n", what.c_str()); }

}  // namespace tests
