#include "supervision/ticket.h"

#include <troupe/error.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "actor/spec_codec.h"
#include "os/shared_memory.h"

namespace troupe::supervision {

namespace {

constexpr std::size_t kTicketBytes = 64 * 1024;

Error wrong(const std::string& what) {
  return Error(ErrorKind::invalid,
               std::string("the environment variable ") + kTicketVariable +
                   " is for this program's own children, and its value makes no sense: " + what);
}

// Takes over a descriptor that came by its number.
os::Fd inherited(int number) {
  if (number < 0) return {};
  os::Fd fd(number);
  os::setCloseOnExec(fd.get(), true);
  return fd;
}

}  // namespace

WrittenTicket writeTicket(Ticket& ticket) {
  wire::ControlMessage message;  // only for the descriptors of the arguments
  capnp::MallocMessageBuilder builder;
  auto root = builder.initRoot<wire::Ticket>();
  const actor::Assignment& assignment = ticket.assignment;
  root.setPath(ticket.path.c_str());
  root.setDeclared(ticket.declared.c_str());
  root.setType(ticket.type.c_str());
  root.setActor(assignment.id);
  root.setGeneration(assignment.generation);
  root.setControl(assignment.control.get());
  root.setMailbox(assignment.ends.mailbox.get());
  root.setReply(assignment.ends.reply.get());
  root.setDesk(assignment.ends.desk.get());
  root.setArena(assignment.ends.arena.get());
  root.setMaxMessageBytes(assignment.maxMessageBytes);
  actor::write(root.initLimits(), assignment.limits);
  root.setRecycleAfter(assignment.recycleAfter);
  root.setSpare(ticket.spare);
  root.setUnrehearsed(assignment.unrehearsed);
  root.setInstances(assignment.instances);
  actor::write(root.initArguments(static_cast<unsigned>(assignment.arguments.size())), assignment.arguments,
               message);
  auto descriptors = root.initDescriptors(static_cast<unsigned>(message.descriptors().size()));

  WrittenTicket written;
  for (const os::Fd* fd : {&assignment.control, &assignment.ends.mailbox, &assignment.ends.reply,
                           &assignment.ends.desk, &assignment.ends.arena}) {
    if (fd->valid()) written.keep.push_back(fd->get());
  }
  for (unsigned i = 0; i < descriptors.size(); ++i) {
    const int number = message.descriptors()[i].release();
    descriptors.set(i, number);
    written.keep.push_back(number);
  }
  auto inheritedList = root.initInherited(static_cast<unsigned>(ticket.inherited.size()));
  for (unsigned i = 0; i < inheritedList.size(); ++i) {
    inheritedList[i].setIndex(ticket.inherited[i].index);
    inheritedList[i].setDescriptor(ticket.inherited[i].fd);
    written.keep.push_back(ticket.inherited[i].fd);
  }
  auto listening = root.initListening(static_cast<unsigned>(ticket.listening.size()));
  for (unsigned i = 0; i < listening.size(); ++i) listening.set(i, ticket.listening[i].c_str());
  const auto words = capnp::messageToFlatArray(builder);
  const auto bytes = words.asBytes();
  if (bytes.size() > kTicketBytes)
    throw Error(ErrorKind::invalid, "the arguments of " + ticket.path + " are too large");
  written.memory = os::makeSharedMemory("troupe-ticket", kTicketBytes);
  const os::Mapping mapping(written.memory, kTicketBytes);
  std::memcpy(mapping.data(), bytes.begin(), bytes.size());
  written.keep.push_back(written.memory.get());
  return written;
}

std::optional<Ticket> readTicket() {
  const char* const value = std::getenv(kTicketVariable);
  if (value == nullptr) return std::nullopt;
  const std::string text = value;
  ::unsetenv(kTicketVariable);
  int number = -1;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc() || *end != '\0' || number < 3)
    throw wrong("\"" + text + "\" is no descriptor number");
  try {
    const os::Fd memory = inherited(number);
    const os::Mapping mapping(memory, kTicketBytes);
    const kj::ArrayPtr<const capnp::word> words(static_cast<const capnp::word*>(mapping.data()),
                                                kTicketBytes / sizeof(capnp::word));
    capnp::FlatArrayMessageReader reader(words);
    const auto root = reader.getRoot<wire::Ticket>();
    Ticket ticket;
    ticket.path = wire::toString(root.getPath());
    ticket.declared = wire::toString(root.getDeclared());
    ticket.type = wire::toString(root.getType());
    ticket.spare = root.getSpare();
    for (const auto each : root.getInherited()) {
      ticket.inherited.push_back({.fd = inherited(each.getDescriptor()).release(), .index = each.getIndex()});
    }
    for (const auto address : root.getListening()) ticket.listening.push_back(wire::toString(address));
    std::vector<os::Fd> descriptors;
    for (const int descriptor : root.getDescriptors()) descriptors.push_back(inherited(descriptor));
    wire::ControlMessage empty;
    wire::ReceivedControl carrier(empty.encode(), std::move(descriptors));
    ticket.assignment.path = ticket.path;
    ticket.assignment.unrehearsed = root.getUnrehearsed();
    ticket.assignment.id = root.getActor();
    ticket.assignment.generation = root.getGeneration();
    ticket.assignment.control = inherited(root.getControl());
    ticket.assignment.ends = {inherited(root.getMailbox()), inherited(root.getReply()),
                              inherited(root.getDesk()), inherited(root.getArena())};
    ticket.assignment.maxMessageBytes = root.getMaxMessageBytes();
    ticket.assignment.limits = actor::read(root.getLimits());
    ticket.assignment.recycleAfter = root.getRecycleAfter();
    ticket.assignment.instances = root.getInstances();
    ticket.assignment.arguments = actor::read(root.getArguments(), carrier);
    return ticket;
  } catch (const kj::Exception& exception) {
    throw wrong(exception.getDescription().cStr());
  } catch (const Error& error) {
    throw wrong(error.message());
  }
}

}  // namespace troupe::supervision
