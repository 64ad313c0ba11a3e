// The root of an app: the directory, the top supervisor, and the signals, in one small process that runs no user code.
//
// Its death is the end of the app: every process below dies with its parent. It adopts orphans and reaps them, also as PID 1.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "loop/loop.h"
#include "node/directory.h"
#include "os/signals.h"
#include "supervision/blueprint.h"
#include "supervision/supervisor.h"

namespace troupe::node {

class Root {
 public:
  Root(std::shared_ptr<const supervision::Blueprint> blueprint, supervision::Program program,
       std::function<void()> ready);

  // Until the app has ended; the exit code for main.
  int run();

 private:
  void onSignals();
  void onStopSignal(int signal);
  void onForgotten(const std::string& id, const ExitReason& reason);
  void onFinished(const ExitReason& reason);
  void endStrangers();

  loop::Loop loop_;
  bool hasMain_;  // the app has a main of its own, and ends with it
  os::SignalQueue signals_;
  Directory directory_;
  supervision::Supervisor top_;
  loop::Poll signalPoll_;
  bool stopping_ = false;
  loop::Clock::time_point stopSignal_ = {};
  bool finished_ = false;
  int code_ = 0;
  std::vector<pid_t> guests_;  // children that the program had before: none of this one's business
};

}  // namespace troupe::node
