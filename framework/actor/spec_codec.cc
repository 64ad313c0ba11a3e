#include "actor/spec_codec.h"

#include <troupe/error.h>

#include <algorithm>

namespace troupe::actor {

namespace {

// A value of a newer peer that this version does not know, becomes the last one that it knows.
template <class E>
E readEnum(std::uint8_t value, E last) {
  return static_cast<E>(std::min(value, static_cast<std::uint8_t>(last)));
}

void writeOne(wire::Argument::Builder to, const Argument& argument, wire::ControlMessage& message) {
  if (const auto* flag = std::get_if<bool>(&argument)) return to.setBoolean(*flag);
  if (const auto* number = std::get_if<std::int64_t>(&argument)) return to.setSigned(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&argument)) return to.setUnsigned(*number);
  if (const auto* number = std::get_if<double>(&argument)) return to.setReal(*number);
  if (const auto* text = std::get_if<std::string>(&argument))
    return to.setText(kj::StringPtr(text->c_str(), text->size()));
  if (const auto* ref = std::get_if<RefBase>(&argument)) {
    auto actor = to.initActor();
    actor.setId(ref->id());
    if (*ref) actor.setPath(ref->path().c_str());
    return;
  }
  const auto& descriptor = std::get<DescriptorArgument>(argument);
  const auto index = static_cast<std::uint16_t>(message.descriptors().size());
  message.attach(os::duplicateOf(*descriptor.descriptor));
  switch (descriptor.kind) {
    case DescriptorArgument::Kind::stream: return to.setStream(index);
    case DescriptorArgument::Kind::listener: return to.setListener(index);
    case DescriptorArgument::Kind::memory: return to.setMemory(index);
  }
}

Argument readDescriptor(DescriptorArgument::Kind kind, std::uint16_t index, wire::ReceivedControl& message) {
  return ownDescriptor(kind, message.take(index).release());
}

Argument readOne(wire::Argument::Reader from, wire::ReceivedControl& message) {
  switch (from.which()) {
    case wire::Argument::BOOLEAN: return from.getBoolean();
    case wire::Argument::SIGNED: return from.getSigned();
    case wire::Argument::UNSIGNED: return from.getUnsigned();
    case wire::Argument::REAL: return from.getReal();
    case wire::Argument::TEXT: return wire::toString(from.getText());
    case wire::Argument::STREAM:
      return readDescriptor(DescriptorArgument::Kind::stream, from.getStream(), message);
    case wire::Argument::LISTENER:
      return readDescriptor(DescriptorArgument::Kind::listener, from.getListener(), message);
    case wire::Argument::MEMORY:
      return readDescriptor(DescriptorArgument::Kind::memory, from.getMemory(), message);
    case wire::Argument::ACTOR: {
      const auto actor = from.getActor();
      return actor.getId() == 0 ? RefBase() : RefBase(actor.getId(), wire::toString(actor.getPath()));
    }
  }
  throw Error(ErrorKind::invalid, "a constructor argument is of a kind that this version does not know");
}

}  // namespace

void write(wire::LimitsData::Builder to, const Limits& limits) {
  to.setMemory(limits.memory);
  to.setCpuPerMessage(limits.cpuPerMessage.count());
  to.setWallPerMessage(limits.wallPerMessage.count());
}

Limits read(wire::LimitsData::Reader from) {
  return {.memory = from.getMemory(),
          .cpuPerMessage = Duration(from.getCpuPerMessage()),
          .wallPerMessage = Duration(from.getWallPerMessage())};
}

void write(wire::SpecData::Builder to, const ChildSpec& spec) {
  to.setRestart(static_cast<std::uint8_t>(spec.restart));
  to.setStopLimit(spec.stop.limit.count());
  to.setReadyWithin(spec.readyWithin.count());
  to.setSignificant(spec.significant);
  to.setBackOffFirst(spec.backOff.first.count());
  to.setBackOffLimit(spec.backOff.limit.count());
  to.setBackOffFactor(spec.backOff.factor);
  to.setBackOffJitter(spec.backOff.jitter);
  to.setWatchdog(spec.watchdog.count());
  to.setLaunch(static_cast<std::uint8_t>(spec.launch));
  to.setOutput(static_cast<std::uint8_t>(spec.output));
  to.setName(spec.name.string().c_str());
  to.setMailboxBytes(spec.mailboxBytes);
  to.setMaxMessageBytes(spec.maxMessageBytes);
  to.setRetries(spec.onCrash.retries);
  to.setSpares(spec.spares);
  write(to.initLimits(), spec.limits);
  to.setRecycleAfter(spec.recycleAfter);
  to.setInstancesPerProcess(spec.instancesPerProcess);
}

ChildSpec read(wire::SpecData::Reader from) {
  ChildSpec spec;
  spec.restart = readEnum(from.getRestart(), Restart::temporary);
  spec.stop.limit = Duration(from.getStopLimit());
  spec.readyWithin = Duration(from.getReadyWithin());
  spec.significant = from.getSignificant();
  spec.backOff.first = Duration(from.getBackOffFirst());
  spec.backOff.limit = Duration(from.getBackOffLimit());
  spec.backOff.factor = from.getBackOffFactor();
  spec.backOff.jitter = from.getBackOffJitter();
  spec.watchdog = Duration(from.getWatchdog());
  spec.launch = readEnum(from.getLaunch(), Launch::exec);
  spec.output = readEnum(from.getOutput(), Output::inherited);
  spec.name = wire::toString(from.getName());
  spec.mailboxBytes = from.getMailboxBytes();
  spec.maxMessageBytes = from.getMaxMessageBytes();
  spec.onCrash.retries = from.getRetries();
  spec.spares = from.getSpares();
  spec.limits = read(from.getLimits());
  spec.recycleAfter = from.getRecycleAfter();
  spec.instancesPerProcess = from.getInstancesPerProcess();
  return spec;
}

void write(wire::FlagsData::Builder to, const SupervisorSpec& flags) {
  to.setStrategy(static_cast<std::uint8_t>(flags.strategy));
  to.setMaxRestarts(flags.maxRestarts);
  to.setWithin(flags.within.count());
  to.setAutoShutdown(static_cast<std::uint8_t>(flags.autoShutdown));
}

void read(wire::FlagsData::Reader from, SupervisorSpec& flags) {
  flags.strategy = readEnum(from.getStrategy(), Strategy::restForOne);
  flags.maxRestarts = from.getMaxRestarts();
  flags.within = Duration(from.getWithin());
  flags.autoShutdown = readEnum(from.getAutoShutdown(), AutoShutdown::allSignificant);
}

void write(capnp::List<wire::Argument>::Builder to, const std::vector<Argument>& arguments,
           wire::ControlMessage& message) {
  for (unsigned i = 0; i < to.size(); ++i) writeOne(to[i], arguments[i], message);
}

std::vector<Argument> read(capnp::List<wire::Argument>::Reader from, wire::ReceivedControl& message) {
  std::vector<Argument> arguments;
  for (const auto argument : from) arguments.push_back(readOne(argument, message));
  return arguments;
}

}  // namespace troupe::actor
