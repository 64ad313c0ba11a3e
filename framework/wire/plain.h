// Tells messages that can be read without looking out: nearly all are such.
#pragma once

#include <capnp/common.h>

#include <span>

#include "wire/envelope_head.h"

namespace troupe::wire {

// Whether `message`, framed, is of one segment in which every pointer that can be reached from the root leads to words of that
// segment, none is far or a capability, nothing is nested more than 64 deep, and all objects together take no more words than
// there are: so none is reached twice, and no list pretends to have elements where it has no words.
//
// Of such a message any typed reader may be used without bounds or limits (capnp::readMessageUnchecked): what remains to be checked
// by Cap'n Proto, and is, is whether an object is what its reader takes it for.
//
// False of others, honest or not; nothing is thrown. Takes time for the message's own words only.
bool isPlain(std::span<const capnp::word> message);

// Takes the head of a message that is plain, and an envelope. False of others.
bool readPlainHead(std::span<const capnp::word> message, EnvelopeHead& head);

}  // namespace troupe::wire
