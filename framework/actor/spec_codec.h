// Specs, supervisor flags and constructor arguments to and from their forms in schemas/control.capnp.
#pragma once

#include <troupe/argument.h>
#include <troupe/spec.h>

#include <vector>

#include "os/fd.h"
#include "wire/control_message.h"

namespace troupe::actor {

void write(wire::LimitsData::Builder to, const Limits& limits);
Limits read(wire::LimitsData::Reader from);
void write(wire::SpecData::Builder to, const ChildSpec& spec);
ChildSpec read(wire::SpecData::Reader from);

void write(wire::FlagsData::Builder to, const SupervisorSpec& flags);
// Only the fields that can be changed on a running supervisor are set.
void read(wire::FlagsData::Reader from, SupervisorSpec& flags);

// Descriptors among the arguments are attached to the message.
void write(capnp::List<wire::Argument>::Builder to, const std::vector<Argument>& arguments,
           wire::ControlMessage& message);
// Errors: invalid, for an argument of a kind that this version does not know, or a descriptor that did not come.
std::vector<Argument> read(capnp::List<wire::Argument>::Reader from, wire::ReceivedControl& message);

}  // namespace troupe::actor
