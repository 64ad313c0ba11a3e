// Where the root puts the messages that nobody handles any more: into memory, and into files where the app wants that.
//
// Errors:  none leave it: a letter that can't be saved is kept in memory, and warned about.
// Threads: the root's loop. It writes files, and never waits until they are on the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "mailbox/dead_letters.h"
#include "wire/letter.h"

namespace troupe::node {

class DeadLetterOffice {
 public:
  struct Setup {
    std::string app = {};
    std::size_t bytes = 0;
    std::string folder = {};  // empty: no files
    std::function<std::string(std::uint64_t interfaceId, std::uint16_t method)> methodName = {};
    std::function<void(const std::string&)> warn = {};
  };
  explicit DeadLetterOffice(Setup setup) : setup_(std::move(setup)), letters_(setup_.bytes) {}

  // Adds number, time and method to it, saves it and keeps it.
  void take(wire::Letter letter);

  mailbox::DeadLetters& letters() { return letters_; }

 private:
  void save(const wire::Letter& letter);

  Setup setup_;
  mailbox::DeadLetters letters_;
};

}  // namespace troupe::node
