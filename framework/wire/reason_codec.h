// ExitReason, Error and specs to and from their Cap'n Proto forms in schemas/control.capnp.
//
// Reading never throws for values that this version does not know (a newer peer's): they become the nearest
// known one. Texts are cut at kMaxReasonText: a control message that tells of an end must fit its lane,
// whatever an exception says.
#pragma once

#include <troupe/error.h>
#include <troupe/exit_reason.h>

#include <cstddef>

#include "schemas/control.capnp.h"

namespace troupe::wire {

inline constexpr std::size_t kMaxReasonText = 4096;

void write(ExitReasonData::Builder to, const ExitReason& reason);
ExitReason read(ExitReasonData::Reader from);

void write(ErrorData::Builder to, const Error& error);
Error read(ErrorData::Reader from);

// An Error of this kind; an unknown number becomes `invalid`.
ErrorKind errorKind(std::uint16_t number);

}  // namespace troupe::wire
