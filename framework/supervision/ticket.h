// What a child that is started by exec takes along into the fresh image: who it is to be, and the numbers of its descriptors.
//
// It lies in a memory file, whose number the environment variable kTicketVariable names. The fresh image runs main again, builds
// its tree anew, and finds in the ticket which part of the tree it is.
#pragma once

#include <troupe/argument.h>

#include <optional>
#include <string>
#include <vector>

#include "actor/actor_process.h"
#include "supervision/blueprint.h"

namespace troupe::supervision {

inline constexpr const char* kTicketVariable = "TROUPE_TICKET";

struct Ticket {
  std::string path;
  std::string declared;  // the id in the blueprint: of an instance, its template's
  std::string type;      // the class, where the child was added at run time and no blueprint knows it
  bool spare = false;    // it waits until it is told who it is
  std::vector<InheritedDescriptor> inherited;
  std::vector<std::string> listening;  // Program::listening
  actor::Assignment assignment;
};

// Where the ticket lies now; all descriptors that must stay open for it.
struct WrittenTicket {
  os::Fd memory;
  std::vector<int> keep;
};
// Errors: system.
WrittenTicket writeTicket(Ticket& ticket);

// The ticket of this process, if it was started with one; takes the variable out of the environment.
// Errors: invalid, where there is one that makes no sense.
std::optional<Ticket> readTicket();

}  // namespace troupe::supervision
