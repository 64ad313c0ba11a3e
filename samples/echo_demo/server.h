// The echo_server that the demonstration runs: a program of its own, looked at from outside through /proc.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <set>
#include <string>

class Server {
 public:
  // Starts the echo_server that lies beside this very program. It ends with this process, at the latest.
  // Errors: std::runtime_error.
  Server(unsigned workers, bool showLog);

  const std::string& address() const { return address_; }
  // The pids of the worker processes, by their paths: "/echo/1".
  std::map<std::string, pid_t> workers() const;
  // As pstree would show it.
  std::string tree() const;

  // Kills a process with SIGKILL. Gives the clients' ports of the connections that it had; nothing where it
  // was dead already.
  static std::optional<std::set<unsigned>> kill(pid_t pid);
  // Asks the server to end, and waits for it; false where it did not end in order.
  bool stop() const;

 private:
  pid_t pid_ = 0;
  std::string address_;
};
