#include "os/kill_point.h"

#ifdef TROUPE_KILL_POINTS

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace troupe::os {

namespace {

struct Entry {
  std::string name;
  std::string path;
  unsigned count = 1;
  std::string ticket;  // empty: it is never over
};

// "written:5@/bank, judged@/till"
std::vector<Entry> entriesOf(std::string_view text, std::string_view ticket) {
  std::vector<Entry> entries;
  while (!text.empty()) {
    const auto end = std::min(text.find(','), text.size());
    std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    part.remove_prefix(std::min(part.find_first_not_of(' '), part.size()));
    const auto at = std::min(part.find('@'), part.size());
    Entry entry;
    entry.path = part.substr(std::min(at + 1, part.size()));
    const std::string_view point = part.substr(0, at);
    const auto colon = std::min(point.find(':'), point.size());
    entry.name = point.substr(0, colon);
    if (colon < point.size())
      entry.count = static_cast<unsigned>(std::stoul(std::string(point.substr(colon + 1))));
    if (!ticket.empty()) entry.ticket = std::string(ticket) + "." + std::to_string(entries.size());
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string thePath;
std::vector<Entry> theEntries;

bool isOver(const Entry& entry) { return !entry.ticket.empty() && ::access(entry.ticket.c_str(), F_OK) != 0; }

}  // namespace

void setKillPath(std::string_view path) {
  thePath = path;
  theEntries = entriesOf(variable("TROUPE_KILL_AT"), variable("TROUPE_KILL_TICKET"));
}

void killPoint(KillPoint point) {
  for (Entry& entry : theEntries) {
    const bool here = entry.name == point.name() && entry.path == thePath;
    if (isOver(entry)) continue;
    // Those after it wait for their turn.
    if (!here || --entry.count > 0) return;
    if (!entry.ticket.empty()) ::unlink(entry.ticket.c_str());
    ::kill(::getpid(), SIGKILL);
  }
}

}  // namespace troupe::os

#endif
