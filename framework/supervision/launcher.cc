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

[[noreturn]] void execChild(Ticket ticket, const Program& program, const os::Fd& image) {
  try {
    const WrittenTicket written = writeTicket(ticket);
    os::killPoint("execing");
    const int error = os::execAgain(image, program.arguments,
                                    {{kTicketVariable, std::to_string(written.memory.get())}}, written.keep);
    actor::failToStart(
        ticket.assignment.control,
        "exec of " + std::string(image.valid() ? "the newer program" : "this program") + " failed", error);
  } catch (const Error& error) {
    actor::failToStart(ticket.assignment.control, error.message(), error.systemError());
  }
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

// Nothing may leave this: below on the stack lies the supervisor that this process was forked from.
void awaitCall(actor::Assignment& assignment) {
  try {
    actor::awaitTakeOver(assignment);
  } catch (const Error& error) {
    actor::failToStart(assignment.control, error.message(), error.systemError());
  } catch (...) {
    actor::failToStart(assignment.control, actor::describe(std::current_exception()), 0);
  }
}

[[noreturn]] void becomeChild(LaunchOrder order, os::Fd control, loop::Loop& loop, os::ChildSettings settings,
                              const Program& program) {
  loop.abandon();
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
  if (order.becomeSupervisor) {
    order.becomeSupervisor(std::move(control));
    os::endProcess(1);
  }
  takeOver(assignment.arguments);
  assignment.control = std::move(control);
  if (order.spec.launch == Launch::exec || order.image.valid()) {
    order.ticket.inherited = order.blueprint->descriptors;
    order.ticket.listening = program.listening;
    execChild(std::move(order.ticket), program, order.image);
  }
  awaitCall(assignment);
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
