// The sink of the app's log: reads the pipe that all processes write to (os/app_log.h), and writes the file and the terminal.
#pragma once

#include <troupe/log.h>

#include <optional>
#include <string>
#include <vector>

#include "actors/log_batch.h"
#include "loop/loop.h"
#include "os/log_file.h"
#include "schemas/log.actor.h"
#include "supervision/output_relay.h"
#include "wire/log_record.h"

namespace troupe::actors {

class LogActor final : public Actor<LogActor, LogProtocol> {
 public:
  explicit LogActor(const LogSpec& spec);

  Task<> init();
  void flush(FlushParams in, FlushResults out);
  void stopping();

 private:
  using Records = std::vector<wire::LogRecord>;
  using Noted = LogBatch::Noted;

  // Writes what is in hand, and then at most so many bytes more.
  void drain(std::size_t bytes);
  void store();
  Records recordsInHand() const;
  std::string linesFor(const Records& records) const;
  void intoFile(const Records& records, Noted& noted);
  // Where the lines in hand are to begin.
  os::FilePlace beginning(const Noted& noted, std::size_t bytes);
  void makeRoomFor(std::size_t bytes, os::FilePlace& begin);
  void complain(const std::string& what);

  LogSpec spec_;
  os::LogFile file_;
  os::Fd lock_;
  std::optional<LogBatch> batch_;
  std::optional<supervision::OutputRelay> terminal_;
  std::optional<loop::Poll> lines_;
  bool toldTooLarge_ = false;
  bool again_ = false;   // a process before has had what is in hand, and may have written some of it
  std::string problem_;  // that was told, and is not over
};

}  // namespace troupe::actors
