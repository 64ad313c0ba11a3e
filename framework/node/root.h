// The root of an app: the directory, the dead letters, the top supervisor, the clients, and the signals, in one small process that
// runs no user code.
//
// Its death is the end of the app: every process below dies with its parent. It adopts orphans and reaps them, also as PID 1.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "loop/loop.h"
#include "node/clients.h"
#include "node/dead_letter_office.h"
#include "node/directory.h"
#include "os/signals.h"
#include "supervision/blueprint.h"
#include "supervision/supervisor.h"

namespace troupe::node {

class Root {
 public:
  struct Setup {
    std::shared_ptr<const supervision::Blueprint> blueprint;
    supervision::Program program;
    std::function<void()> ready;
    std::string name;         // the app is found by
    bool attachable = false;  // it is found at all
    std::string key;          // by those who have the same one; empty: by all of its user
    std::size_t deadLetterBytes = 0;
    std::string deadLetterFolder;
  };
  explicit Root(Setup setup);

  // Until the app has ended; the exit code for main.
  int run();

 private:
  void send(wire::ControlMessage message);
  void stopAsAsked(const std::string& why);
  void onSignals();
  void onStopSignal(int signal);
  void onForgotten(const std::string& id, const ExitReason& reason);
  void onFinished(const ExitReason& reason);
  void endStrangers();

  loop::Loop loop_;
  std::string name_;
  bool attachable_;
  bool hasMain_;  // the app has a main of its own, and ends with it
  os::SignalQueue signals_;
  DeadLetterOffice deadLetters_;
  Directory directory_;
  supervision::Supervisor top_;
  Clients clients_;
  loop::Poll signalPoll_;
  bool stopping_ = false;
  loop::Clock::time_point stopSignal_ = {};
  bool finished_ = false;
  int code_ = 0;
  std::vector<pid_t> guests_;  // children that the program had before: none of this one's business
};

}  // namespace troupe::node
