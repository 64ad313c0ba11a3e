// Tells repetitions: messages that a sender's successor wrote again, because it could not know that they had
// left before.
//
// Repetitions are looked for only in packets that say they may be one (wire::kMayRepeat). Each step may be cut
// short: a packet is judged once, and its judgement stands beside it before it counts as seen.
#pragma once

#include "mailbox/desk_layout.h"

namespace troupe::mailbox {

// Judges the packet in `slot`, unless a predecessor has, and notes that it has come.
void judge(DeskMemory& memory, std::size_t slot, const wire::PacketHeader& header);

}  // namespace troupe::mailbox
