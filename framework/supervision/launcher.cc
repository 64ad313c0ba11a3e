#include "supervision/launcher.h"

#include <troupe/error.h>

#include "actor/describe_exception.h"
#include "os/channel.h"
#include "os/kill_point.h"
#include "os/output.h"
#include "os/process.h"
#include "os/title.h"
#include "wire/scratch.h"

namespace troupe::supervision {

namespace {

std::string nameOf(const Program& program) {
  const std::string name = program.arguments.empty() ? "troupe" : program.arguments[0];
  return name.substr(name.rfind('/') + 1);
}

[[noreturn]] void execChild(LaunchOrder& order, const Program& program) {
  order.ticket.inherited = order.blueprint->descriptors;
  order.ticket.listening = program.listening;
  const WrittenTicket written = writeTicket(order.ticket);
  os::killPoint("execing");
  const int error = os::execAgain(order.image, program.arguments,
                                  {{kTicketVariable, std::to_string(written.memory.get())}}, written.keep);
  actor::failToStart(
      order.ticket.assignment.control,
      "exec of " + std::string(order.image.valid() ? "the newer program" : "this program") + " failed",
      error);
}

// The supervisor's own copies of the arguments stay in this process's memory for good, and never close what they hold. So that
// the actor can close it, the descriptor passes to an owner of its own.
void takeOver(std::vector<Argument>& arguments) {
  for (Argument& argument : arguments) {
    auto* const held = std::get_if<DescriptorArgument>(&argument);
    if (held == nullptr) continue;
    const os::Fd before(*held->descriptor);
    *held = ownDescriptor(held->kind, before.duplicate().release());
  }
}

// Of the supervisor's process only what the child is to have.
void settle(LaunchOrder& order, const os::Fd& control, os::ChildSettings settings, const Program& program) {
  actor::Assignment& assignment = order.ticket.assignment;
  settings.keep.push_back(control.get());
  for (const os::Fd* fd :
       {&assignment.ends.mailbox, &assignment.ends.reply, &assignment.ends.desk, &assignment.ends.arena}) {
    if (fd->valid()) settings.keep.push_back(fd->get());
  }
  for (const Argument& argument : assignment.arguments) {
    if (const auto* held = std::get_if<DescriptorArgument>(&argument))
      settings.keep.push_back(*held->descriptor);
  }
  if (order.image.valid()) settings.keep.push_back(order.image.get());
  for (const InheritedDescriptor& inherited : order.blueprint->allDescriptors())
    settings.keep.push_back(inherited.fd);
  os::settleChild(settings);
  const std::string shown = order.ticket.spare ? sparePath(order.ticket.path) : order.ticket.path;
  assignment.program = nameOf(program);
  os::setKillPath(shown);
  os::killPoint("settled");
  os::setTitle(actor::titleOf(shown, assignment.program));
}

[[noreturn]] void becomeChild(LaunchOrder order, os::Fd control, loop::Loop& loop, os::ChildSettings settings,
                              const Program& program) {
  loop.abandon();
  actor::orFailToStart(control, [&] { settle(order, control, std::move(settings), program); });
  if (order.becomeSupervisor) {
    order.becomeSupervisor(std::move(control));
    os::endProcess(1);
  }
  actor::Assignment& assignment = order.ticket.assignment;
  assignment.control = std::move(control);
  actor::orFailToStart(assignment.control, [&] {
    takeOver(assignment.arguments);
    if (order.spec.launch == Launch::exec || order.image.valid()) execChild(order, program);
    actor::awaitTakeOver(assignment);
  });
  actor::runActor(std::move(assignment));
}

// What a thread keeps to its end is registered with the C library when it is first used. That function is bound at its first call,
// with a search through every library: here once, or in each child.
void bindAhead() {
  static const bool bound = [] {
    const wire::Scratch first;
    return true;
  }();
  (void)bound;
}

}  // namespace

Launched launch(LaunchOrder order, loop::Loop& loop, const Program& program) {
  bindAhead();
  Launched launched;
  auto [mine, childs] = os::makeChannel();
  os::ChildSettings settings{.parent = os::processId(),
                             .keepStandardInput = order.blueprint->keepStandardInput};
  os::OutputPipe output;
  os::OutputPipe error;
  if (order.spec.output == Output::prefixed && !order.becomeSupervisor) {
    output = os::makeOutputPipe();
    error = os::makeOutputPipe();
    settings.standardOutput = output.writer.get();
    settings.standardError = error.writer.get();
  }
  os::killPoint("forking");
  launched.pid = os::forkProcess();
  if (launched.pid == 0) becomeChild(std::move(order), std::move(childs), loop, std::move(settings), program);
  os::killPoint("forked");
  launched.control = std::move(mine);
  launched.standardOutput = std::move(output.reader);
  launched.standardError = std::move(error.reader);
  return launched;
}

}  // namespace troupe::supervision
