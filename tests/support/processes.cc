#include "tests/support/processes.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace tests {

namespace {

namespace fs = std::filesystem;

constexpr unsigned kEstablished = 1;

std::string folderOf(pid_t pid) { return "/proc/" + std::to_string(pid); }

Process readProcess(pid_t pid) {
  Process process;
  std::ifstream file(folderOf(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  const auto end = line.rfind(')');  // the name before it may hold anything
  if (end == std::string::npos) return process;
  std::istringstream(line.substr(end + 1)) >> process.state >> process.parent;
  process.pid = pid;
  std::ifstream title(folderOf(pid) + "/cmdline");
  std::getline(title, process.title, '\0');
  // All that is left of one that has ended is the short name.
  if (process.title.empty()) process.title = line.substr(line.find('('), end + 1 - line.find('('));
  return process;
}

struct Connection {
  unsigned remotePort = 0;
  unsigned state = 0;
};

// All TCP connections, by the inode of their socket.
std::map<std::string, Connection> tcpConnections() {
  std::map<std::string, Connection> connections;
  for (const char* name : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(name);
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
      std::istringstream words(line);
      std::string number, local, remote, state, queues, timer, retransmits, user, timeout, inode;
      words >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user >> timeout >>
          inode;
      const auto port = static_cast<unsigned>(std::stoul(remote.substr(remote.rfind(':') + 1), nullptr, 16));
      connections[inode] = {port, static_cast<unsigned>(std::stoul(state, nullptr, 16))};
    }
  }
  return connections;
}

std::vector<std::string> socketInodes(pid_t pid) {
  std::vector<std::string> inodes;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folderOf(pid) + "/fd", error)) {
    const std::string target = fs::read_symlink(entry.path(), error).string();
    if (target.starts_with("socket:[")) inodes.push_back(target.substr(8, target.size() - 9));
  }
  return inodes;
}

}  // namespace

std::string Process::path() const {
  // What follows may be cut off: a title has no more room than the arguments had.
  const auto space = title.find(" (");
  return title.starts_with('/') && space != std::string::npos ? title.substr(0, space) : "";
}

std::vector<Process> processesBelow(pid_t top) {
  std::multimap<pid_t, Process> byParent;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    Process process = readProcess(static_cast<pid_t>(std::stol(name)));
    if (process.pid != 0) byParent.emplace(process.parent, std::move(process));
  }
  std::vector<Process> found;
  if (Process first = readProcess(top); first.pid != 0) found.push_back(std::move(first));
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto [begin, end] = byParent.equal_range(found[i].pid);
    for (auto child = begin; child != end; ++child) found.push_back(child->second);
  }
  return found;
}

std::string describe(const std::vector<Process>& processes) {
  std::ostringstream text;
  for (const Process& process : processes) {
    text << process.pid << " (child of " << process.parent << ", " << process.state << ") " << process.title
         << '\n';
  }
  return text.str();
}

bool freeze(pid_t pid) {
  if (::kill(pid, SIGSTOP) < 0) return false;
  for (;;) {
    const char state = readProcess(pid).state;
    if (state == 'T') return true;
    if (state == 0 || state == 'Z' || state == 'X') return false;
  }
}

// The table of connections is read in pieces, while others open and close: one may slip through. So it is
// read again as long as a socket of the process is in none of the tables.
std::set<unsigned> peerPorts(pid_t pid) {
  std::set<unsigned> ports;
  const auto inodes = socketInodes(pid);
  std::size_t unknown = inodes.size();
  for (int attempt = 0; attempt < 3 && unknown > 0; ++attempt) {
    const auto connections = tcpConnections();
    unknown = 0;
    for (const std::string& inode : inodes) {
      const auto found = connections.find(inode);
      if (found == connections.end()) {
        ++unknown;
      } else if (found->second.state == kEstablished) {
        ports.insert(found->second.remotePort);
      }
    }
    if (unknown == 1) break;  // its control lane
  }
  return ports;
}

std::size_t descriptorsOf(pid_t pid) {
  std::error_code error;
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folderOf(pid) + "/fd", error)) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

Memory memoryOf(pid_t pid) {
  Memory memory;
  std::ifstream file(folderOf(pid) + "/smaps_rollup");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    std::size_t kib = 0;
    words >> name >> kib;
    if (name == "Rss:") memory.residentKiB = kib;
    if (name == "Anonymous:") memory.anonymousKiB = kib;
    if (name == "Private_Clean:" || name == "Private_Dirty:") memory.privateKiB += kib;
  }
  return memory;
}

}  // namespace tests
