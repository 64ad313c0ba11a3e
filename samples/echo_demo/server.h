// The echo_server that the demonstration runs: a program of its own, looked at from outside through /proc.
#pragma once

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

class Server {
 public:
  // Starts the echo_server that lies beside this very program. It ends with this process, at the latest.
  // Errors: std::runtime_error.
  Server(unsigned workers, bool showLog) {
    const auto program =
        std::filesystem::read_symlink("/proc/self/exe").replace_filename("echo_server").string();
    const std::string count = std::to_string(workers);
    int output[2];
    if (::pipe2(output, O_CLOEXEC) < 0) throw std::runtime_error("cannot make a pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      sigset_t none;
      ::sigemptyset(&none);
      ::sigprocmask(SIG_SETMASK, &none, nullptr);
      ::dup2(output[1], STDOUT_FILENO);
      if (!showLog) ::dup2(::open("/dev/null", O_WRONLY), STDERR_FILENO);
      ::execl(program.c_str(), "echo_server", "--port", "0", "--workers", count.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(output[1]);
    std::FILE* const lines = ::fdopen(output[0], "r");
    unsigned port = 0;
    const bool ready = std::fscanf(lines, "echo_server listens on port %u", &port) == 1;
    std::fclose(lines);
    if (!ready) throw std::runtime_error(program + " did not start; --log shows why");
    address_ = "127.0.0.1:" + std::to_string(port);
  }

  const std::string& address() const { return address_; }

  // The pids of the worker processes, by their paths: "/echo/1".
  std::map<std::string, pid_t> workers() const {
    std::map<std::string, pid_t> workers;
    for (const pid_t pool : childrenOf(pid_)) {
      for (const pid_t worker : childrenOf(pool)) {
        const std::string title = titleOf(worker);
        if (title.starts_with("/echo/")) workers[title.substr(0, title.find(' '))] = worker;
      }
    }
    return workers;
  }

  // As pstree would show it.
  std::string tree() const {
    std::ostringstream text;
    text << "echo_server  " << pid_ << '\n';
    addTree(text, pid_, "");
    return text.str();
  }

  // Kills a process with SIGKILL. Gives the clients' ports of the connections that it had; nothing where it was
  // dead already. It is made to stand still first: so it accepts no other connection meanwhile.
  static std::optional<std::set<unsigned>> kill(pid_t pid) {
    ::kill(pid, SIGSTOP);
    for (char state = 0; state != 'T';) {
      state = stateOf(pid);
      if (state == 0 || state == 'Z') return std::nullopt;
    }
    const auto ports = peerPorts(pid);
    ::kill(pid, SIGKILL);
    return ports;
  }

  // Asks the server to end, and waits for it; false where it did not end in order.
  bool stop() const {
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  static std::string contentOf(pid_t pid, const std::string& file) {
    std::ifstream stream("/proc/" + std::to_string(pid) + "/" + file);
    std::string text;
    std::getline(stream, text, '\0');  // nothing, where the process ends meanwhile
    return text;
  }

  // 'R', 'S', 'T', 'Z', ...; 0 where there is no such process.
  static char stateOf(pid_t pid) {
    const std::string text = contentOf(pid, "stat");
    return text.empty() ? '\0' : text.at(text.rfind(')') + 2);  // after the name, which may hold anything
  }

  static std::string titleOf(pid_t pid) { return contentOf(pid, "cmdline"); }

  static std::vector<pid_t> childrenOf(pid_t pid) {
    std::istringstream text(contentOf(pid, "task/" + std::to_string(pid) + "/children"));
    return {std::istream_iterator<pid_t>(text), {}};
  }

  static void addTree(std::ostringstream& text, pid_t pid, const std::string& indent) {
    const auto children = childrenOf(pid);
    for (const pid_t child : children) {
      const bool last = child == children.back();
      text << indent << (last ? "└─ " : "├─ ") << titleOf(child) << "  " << child << '\n';
      addTree(text, child, indent + (last ? "   " : "│  "));
    }
  }

  // The other side's ports of the connections that a process has, for as long as that stands still.
  static std::set<unsigned> peerPorts(pid_t pid) {
    std::set<std::string> sockets;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
      sockets.insert(std::filesystem::read_symlink(entry.path()).string());
    }
    std::set<unsigned> ports;
    std::ifstream table("/proc/net/tcp");
    for (std::string line; std::getline(table, line);) {
      constexpr const char* kColumns = "%*s %*s %*8[0-9A-F]:%x %x %*s %*s %*s %*s %*s %u";
      constexpr unsigned kEstablished = 1;
      unsigned port = 0, state = 0, inode = 0;
      if (std::sscanf(line.c_str(), kColumns, &port, &state, &inode) != 3 || state != kEstablished) continue;
      if (sockets.contains("socket:[" + std::to_string(inode) + "]")) ports.insert(port);
    }
    return ports;
  }

  pid_t pid_ = 0;
  std::string address_;
};
