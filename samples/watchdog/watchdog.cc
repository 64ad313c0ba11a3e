// Keeps foreign programs running. Each is a command line; one that fails is started again, after a wait that doubles, and so is one that
// has printed nothing for too long. What they print comes out in whole lines. All is over when each of them has ended well, when one fails
// more than 5 times a minute, or at Ctrl-C: and then nothing of them is left.
//
//     watchdog 10 'ping localhost' 'python3 -m http.server 8000'
#include <troupe/troupe.h>

#include <csignal>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

class Watcher final : public troupe::Actor<Watcher> {
 public:
  Watcher(std::string program, double seconds)
      : program_(std::move(program)), silence_(static_cast<std::int64_t>(seconds * 1e9)) {}

  troupe::Task<> run() {
    for (bool clean = false; !clean;) {
      auto program = co_await find<troupe::Program>(program_);
      std::cout << "[process " << co_await program.pid() << "]"
                << std::endl;  // of the run that it stands for from here on
      co_await listenTo(program);
      const troupe::ExitReason end = co_await program.wait();
      std::cout << "[" << end.toString() << "]" << std::endl;
      clean = end.clean();
    }
  }

 private:
  // Until it has no more to say. One that is silent for too long is ended.
  troupe::Task<> listenTo(troupe::Program program) {
    bool hangs = false;
    try {
      while (auto line = co_await program.within(silence_).readLine()) std::cout << *line << std::endl;
    } catch (const troupe::Error& error) {
      if (error.kind() != troupe::ErrorKind::timedOut) throw;
      hangs = true;
    }
    if (!hangs) co_return;
    std::cout << "[silent for too long]" << std::endl;
    try {
      co_await program.signal(SIGKILL);
    } catch (const troupe::Error& error) {
      if (error.kind() != troupe::ErrorKind::gone) throw;  // it has just ended
    }
    while (co_await program.readLine()) {}  // as long as there is some, it is the same run
  }

  std::string program_;
  troupe::Duration silence_;
};

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: watchdog SECONDS COMMAND...\n";
    return 2;
  }
  troupe::App app(argc, argv);
  app.supervise({.maxRestarts = 5, .within = 1min, .autoShutdown = troupe::AutoShutdown::allSignificant});
  for (int i = 2; i < argc; ++i) {
    const std::string id = "program" + std::to_string(i - 1);
    app.add<troupe::Program>(
        id, {.argv = {"/bin/sh", "-c", argv[i]},
             .input = false,
             .stopWithin = 2s,
             .child = {.restart = troupe::Restart::transient, .backOff = {.first = 50ms, .limit = 10s}}});
    app.child<Watcher>("watcher" + std::to_string(i - 1),
                       {.restart = troupe::Restart::transient, .significant = true}, id, std::stod(argv[1]));
  }
  return app.run();
}
