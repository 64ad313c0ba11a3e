#include "supervision/output_relay.h"

#include <algorithm>
#include <array>
#include <utility>

#include "os/packet_pipe.h"

namespace troupe::supervision {

namespace {
constexpr std::size_t kReadBytes = 16 * 1024;
constexpr std::size_t kMostReads = (64 * 1024) / kReadBytes;
}  // namespace

struct OutputRelay::Source {
  os::Fd reader;
  std::string prefix;
  Shown shown;
  std::string partial;
  std::unique_ptr<loop::Poll> poll;
};

OutputRelay::OutputRelay(loop::Loop& loop, int standardDescriptor) : loop_(loop), end_(standardDescriptor) {}
OutputRelay::~OutputRelay() = default;

OutputRelay::SourceId OutputRelay::add(os::Fd reader, std::string prefix) {
  auto source = std::make_unique<Source>();
  source->reader = std::move(reader);
  source->prefix = std::move(prefix);
  return add(std::move(source));
}

void OutputRelay::add(os::Fd reader, Shown shown) {
  auto source = std::make_unique<Source>();
  source->reader = std::move(reader);
  source->shown = std::move(shown);
  add(std::move(source));
}

OutputRelay::SourceId OutputRelay::add(std::unique_ptr<Source> source) {
  Source* const raw = source.get();
  const SourceId id = ++last_;
  raw->poll = std::make_unique<loop::Poll>(loop_, raw->reader.get(),
                                           held_ ? loop::Interest::none : loop::Interest::readable,
                                           [this, raw, id](bool, bool) {
                                             if (readFrom(*raw) == Read::end) sources_.erase(id);
                                             writePending();
                                           });
  sources_.emplace(id, std::move(source));
  return id;
}

void OutputRelay::rename(SourceId id, std::string prefix) {
  const auto found = sources_.find(id);
  if (found == sources_.end()) return;
  Source& source = *found->second;
  // As much as a pipe holds: who goes on writing, is somebody that it has started.
  Read read = Read::some;
  for (std::size_t reads = 0; read == Read::some && reads < kMostReads; ++reads) read = readFrom(source);
  if (!source.partial.empty()) emit(source, std::exchange(source.partial, {}));
  source.prefix = std::move(prefix);
  if (read == Read::end) sources_.erase(found);
  writePending();
}

OutputRelay::Read OutputRelay::readFrom(Source& source) {
  // Not on the stack, as in os::receiveFrom().
  static std::array<char, kReadBytes> buffer;
  const long bytes = os::readOutput(source.reader.get(), buffer.data(), buffer.size());
  if (bytes < 0) return Read::nothing;
  if (bytes > 0) {
    take(source, {buffer.data(), static_cast<std::size_t>(bytes)});
    return Read::some;
  }
  if (!source.partial.empty()) emit(source, std::exchange(source.partial, {}));
  return Read::end;
}

void OutputRelay::take(Source& source, std::string_view text) {
  for (;;) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    source.partial.append(text.substr(0, end));
    text.remove_prefix(end + 1);
    std::string_view line = source.partial;
    do {
      emit(source, line.substr(0, kMaxLine));
      line.remove_prefix(std::min(kMaxLine, line.size()));
    } while (!line.empty());
    source.partial.clear();
  }
  source.partial.append(text);
  while (source.partial.size() > kMaxLine) {
    emit(source, std::string_view(source.partial).substr(0, kMaxLine));
    source.partial.erase(0, kMaxLine);
  }
}

void OutputRelay::emit(std::string_view prefix, std::string_view line) {
  pending_.append(prefix).append(line).push_back('\n');
}

void OutputRelay::emit(const Source& source, std::string_view line) {
  source.shown ? emit("", source.shown(line)) : emit(source.prefix, line);
}

void OutputRelay::writeLine(std::string_view line) {
  if (pending_.size() - written_ > kMaxOwn) {
    ++droppedLines_;
    return;
  }
  tellDropped();
  emit("", line);
  writePending();
}

void OutputRelay::tellDropped() {
  if (droppedLines_ > 0)
    emit("", "(" + std::to_string(std::exchange(droppedLines_, 0)) + " lines were dropped here: no room)");
}

void OutputRelay::writePending() {
  if (!writeAll()) return holdSources(true);
  // There may be no further line, to be told before.
  tellDropped();
  holdSources(!writeAll());
}

// As many whole lines at a time as one write to a pipe takes without being torn. False where there is no room for all.
bool OutputRelay::writeAll() {
  while (written_ < pending_.size()) {
    const std::string_view left = std::string_view(pending_).substr(written_);
    const std::size_t fitting = left.substr(0, os::kPacketBytes).rfind('\n');
    // A line of this process's own may be longer than that: it can be torn, but not held back.
    const std::size_t bytes =
        end_.write(left.substr(0, (fitting == left.npos ? left.find('\n') : fitting) + 1));
    if (bytes == 0) return false;
    written_ += bytes;
  }
  pending_.clear();
  written_ = 0;
  return true;
}

void OutputRelay::holdSources(bool hold) {
  if (hold && !room_ && end_.pollable() >= 0) {
    room_ = std::make_unique<loop::Poll>(loop_, end_.pollable(), loop::Interest::writable,
                                         [this](bool, bool) { writePending(); });
  }
  if (held_ == hold) return;
  held_ = hold;
  if (room_) room_->want(hold ? loop::Interest::writable : loop::Interest::none);
  for (const auto& [id, source] : sources_)
    source->poll->want(hold ? loop::Interest::none : loop::Interest::readable);
}

void OutputRelay::finish(loop::Clock::time_point deadline) {
  for (bool more = true; more && loop::Clock::now() < deadline;) {
    more = false;
    for (auto it = sources_.begin(); it != sources_.end();) {
      const std::size_t before = pending_.size();
      if (readFrom(*it->second) == Read::end) {
        it = sources_.erase(it);
        continue;
      }
      more = more || pending_.size() != before;
      ++it;
    }
    writePending();
    while (written_ < pending_.size() && loop::Clock::now() < deadline) {
      os::waitWritable(end_.pollable(), std::chrono::milliseconds(100));
      writePending();
    }
  }
  for (const auto& [id, source] : sources_) {
    if (!source->partial.empty()) emit(*source, source->partial);
    source->partial.clear();
  }
  writePending();
}

}  // namespace troupe::supervision
