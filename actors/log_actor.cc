#include "actors/log_actor.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "actor/actor_process.h"
#include "os/packet_pipe.h"
#include "os/shared_memory.h"

namespace troupe::actors {

namespace {

constexpr auto kForTheOneBefore = std::chrono::seconds(5);
constexpr auto kForTheRest = std::chrono::seconds(2);

std::uint64_t linesIn(std::string_view text) {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

LogActor::LogActor(const LogSpec& spec) : spec_(spec), file_(spec.file) {}

// Two sinks would divide the lines between them: the one before must be over, be it dying, or about to be replaced by a newer program.
Task<> LogActor::init() {
  os::ignoreFileLimit();
  os::logSettings().patience = {};  // it would wait for itself
  lock_ = os::openLogMemory();
  const auto until = loop::Clock::now() + kForTheOneBefore;
  while (!os::tryLock(lock_)) {
    if (loop::Clock::now() > until)
      throw Error(ErrorKind::invalid, "starting the log " + path() + ": another process still is the log");
    co_await sleepFor(std::chrono::milliseconds(2));
  }
  if (!spec_.file.empty()) file_.open();
  loop::Loop& loop = actor::ActorProcess::current().loop();
  terminal_.emplace(loop, 2);
  batch_.emplace();
  again_ = !batch_->records().empty();
  lines_.emplace(loop, batch_->reader(), loop::Interest::readable,
                 [this](bool, bool) { drain(os::kLogPipeBytes); });
  drain(0);
}

void LogActor::flush(FlushParams, FlushResults out) {
  drain(os::waitingBytes(batch_->reader()));
  if (batch_->noted().unwritten == 0) return;
  out.setUnwritten(batch_->noted().unwritten);
  out.setProblem(problem_.c_str());
}

void LogActor::stopping() {
  const auto until = loop::Clock::now() + kForTheRest;
  while (os::waitingBytes(batch_->reader()) > 0 && loop::Clock::now() < until) drain(os::kLogPipeBytes);
  terminal_->finish(until);
}

void LogActor::drain(std::size_t bytes) {
  for (std::size_t done = 0;;) {
    if (!batch_->records().empty()) {
      done += batch_->records().size();
      store();
    }
    if (done >= bytes || !batch_->read()) return;
  }
}

void LogActor::store() {
  Noted noted = batch_->noted();
  Records records = recordsInHand();
  const os::LogLosses losses = os::lossesIn(batch_->losses());
  if (losses.lost > noted.told) {
    // It was full with what is in hand now.
    records.push_back(wire::lostRecords(losses.lost - noted.told, path(), "there was no room in the log"));
    noted.told = losses.lost;
  }
  if (!spec_.file.empty()) intoFile(records, noted);
  if (spec_.terminal) {
    for (const auto& record : records) terminal_->writeLine(wire::humanLine(record));
  }
  batch_->finish(noted);
  os::setTold(batch_->losses(), noted.told);
  again_ = false;
}

LogActor::Records LogActor::recordsInHand() const {
  Records records;
  std::string_view rest = batch_->records();
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view piece = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    auto record = wire::readLogRecord(piece);
    records.push_back(record ? std::move(*record) : wire::strangeRecord(piece));
  }
  return records;
}

std::string LogActor::linesFor(const Records& records) const {
  std::string lines;
  for (const auto& record : records) {
    lines.append(spec_.format == LogFormat::json ? wire::jsonLine(record) : wire::humanLine(record));
    lines.push_back('\n');
  }
  return lines;
}

// --- The file ---

void LogActor::intoFile(const Records& records, Noted& noted) {
  std::string lines;
  if (noted.unwritten > 0)
    lines = linesFor({wire::lostRecords(noted.unwritten, path(), "the file could not be written")});
  lines.append(linesFor(records));
  try {
    const os::FilePlace begin = beginning(noted, lines.size());
    if (begin != noted.file) {
      noted.file = begin;
      batch_->note(noted);
    }
    const auto [bytes, error] = file_.write(lines, begin.bytes);
    const std::size_t whole = std::string_view(lines).substr(0, bytes).rfind('\n') + 1;
    if (bytes > whole) file_.cut(begin.bytes + whole);
    noted.file.bytes += whole;
    noted.unwritten = whole == 0 ? noted.unwritten + records.size() : linesIn(lines.substr(whole));
    if (error != 0) return complain("cannot write the file " + file_.path() + ": " + std::strerror(error));
    problem_.clear();
  } catch (const Error& error) {
    noted.unwritten += records.size();
    complain(error.message());
  }
}

os::FilePlace LogActor::beginning(const Noted& noted, std::size_t bytes) {
  os::FilePlace begin = file_.open();
  if (begin.sameFile(noted.file)) {
    if (again_ && begin.bytes > noted.file.bytes) {
      file_.cut(noted.file.bytes);
      begin.bytes = noted.file.bytes;
    }
  } else if (!file_.endsInLine(begin.bytes)) {
    begin.bytes += file_.write("\n", begin.bytes).bytes;
  }
  makeRoomFor(bytes, begin);
  return begin;
}

void LogActor::makeRoomFor(std::size_t bytes, os::FilePlace& begin) {
  if (spec_.maxBytes == 0 || begin.bytes == 0 || begin.bytes + bytes <= spec_.maxBytes) return;
  try {
    file_.shift(spec_.olderFiles);
  } catch (const Error& error) {
    // Too large is better than lost.
    if (!std::exchange(toldTooLarge_, true))
      terminal_->writeLine(wire::humanLine({.time = wire::logTimeNow(),
                                            .level = Level::error,
                                            .path = path(),
                                            .text = error.message() + "; it grows on"}));
    return;
  }
  toldTooLarge_ = false;
  begin = file_.open();
}

void LogActor::complain(const std::string& what) {
  if (!problem_.empty()) return;
  problem_ = what;
  terminal_->writeLine(wire::humanLine({.time = wire::logTimeNow(),
                                        .level = Level::error,
                                        .path = path(),
                                        .text = what + "; lines are lost until it can be"}));
}

}  // namespace troupe::actors
