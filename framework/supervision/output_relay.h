// What children write to their standard output and error, on its way to the app's own: whole lines, each with the path of the
// actor before it, never torn and never mixed.
//
// A child that writes faster than the app's output takes it, waits in its write, as any program does whose output is full; the
// supervisor never waits. A line that is longer than kMaxLine goes out in pieces of that length, each with the path.
//
// Threads: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "loop/loop.h"
#include "os/fd.h"
#include "os/output.h"

namespace troupe::supervision {

class OutputRelay {
 public:
  static constexpr std::size_t kMaxLine = 3500;
  static constexpr std::size_t kMaxOwn = 256 * 1024;

  // Relays to one standard descriptor, 1 or 2.
  OutputRelay(loop::Loop& loop, int standardDescriptor);
  ~OutputRelay();

  // Names what is relayed. 0: nothing.
  using SourceId = std::uint64_t;
  // Takes what comes from `reader` until its end, with `prefix` before each line.
  SourceId add(os::Fd reader, std::string prefix);
  // The same, where `shown` makes of each line what is to be seen: one or more lines, without the end of the last.
  using Shown = std::function<std::string(std::string_view line)>;
  void add(os::Fd reader, Shown shown);
  // What comes is from somebody else from here on. What has come is the last one's, and ends his line.
  void rename(SourceId id, std::string prefix);
  // A line of this process's own. Kept where there is no room; past kMaxOwn bytes kept, dropped and counted: how many
  // is written in their place.
  void writeLine(std::string_view line);

  // Takes what the children have written up to now, and writes all of it, waiting for room at most until `deadline`.
  void finish(loop::Clock::time_point deadline);
  std::size_t sources() const { return sources_.size(); }

 private:
  struct Source;
  SourceId add(std::unique_ptr<Source> source);
  enum class Read { some, nothing, end };
  Read readFrom(Source& source);
  void take(Source& source, std::string_view text);
  void emit(std::string_view prefix, std::string_view line);
  void emit(const Source& source, std::string_view line);
  void tellDropped();
  void writePending();
  bool writeAll();
  void holdSources(bool hold);

  loop::Loop& loop_;
  os::OutputEnd end_;
  std::string pending_;
  std::size_t written_ = 0;  // of pending_
  std::uint64_t droppedLines_ = 0;
  bool held_ = false;
  std::unordered_map<SourceId, std::unique_ptr<Source>> sources_;
  SourceId last_ = 0;
  std::unique_ptr<loop::Poll> room_;
};

}  // namespace troupe::supervision
