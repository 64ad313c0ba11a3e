// What is to be done with the memory of a process that has died, before anybody else may use it: what its
// last turns had committed is carried out, as far as it is a matter of this memory. The messages that they
// sent and that have not left stay in the log, for the successor's outbox.
//
// A pure function of the memory, and doing it again changes nothing: so it may be cut short anywhere.
#pragma once

#include <span>

#include "mailbox/desk_layout.h"

namespace troupe::mailbox {

enum class Recovered {
  fine,
  ruined,  // overwritten by a stray pointer, or of another version: no successor can use it
};
Recovered recover(DeskMemory& memory);

// Carries out what one committed record says, as far as it is a matter of this memory. False where it makes no
// sense.
bool carryOut(DeskMemory& memory, const LogRecord& record, std::span<const std::byte> bytes);

}  // namespace troupe::mailbox
