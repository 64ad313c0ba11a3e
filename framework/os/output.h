// Writing to the app's standard output and error without ever blocking a process that serves.
//
// A pipe or terminal is reopened through /proc/self/fd, so that O_NONBLOCK is this process's own affair;
// where that is not allowed, and for plain files, it is written to as it is; a socket is sent to with
// MSG_DONTWAIT.
#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>

#include "os/fd.h"

namespace troupe::os {

class OutputEnd {
 public:
  OutputEnd() = default;
  explicit OutputEnd(int standardDescriptor);

  // What poll can wait on; -1 where writing never has to wait.
  int pollable() const;
  // The bytes written, 0 where it would block. A closed or broken output swallows everything (as if all were
  // written). A piece of at most kPacketBytes is written to a pipe whole or not at all.
  std::size_t write(std::string_view text);

 private:
  Fd own_;
  int fd_ = -1;
  bool socket_ = false;
  bool waits_ = false;
};

// Blocks until `fd` can be written, or for `limit`. -1: returns at once.
void waitWritable(int fd, std::chrono::milliseconds limit);

// A pipe for a child's standard output: {read end (non-blocking), write end (blocking, as programs expect)}.
struct OutputPipe {
  Fd reader;
  Fd writer;
};
OutputPipe makeOutputPipe();
// The same for the standard input of a command: {read end (blocking), write end (non-blocking)}.
OutputPipe makeInputPipe();

// Reads what is there: bytes > 0; 0 at end; -1 where nothing is there now.
long readOutput(int fd, char* into, std::size_t room);
// Writes as much as there is room for now. `error` is errno: EPIPE where nobody can read it any more.
struct InputWrite {
  std::size_t bytes = 0;
  int error = 0;
};
InputWrite writeInput(int fd, std::string_view text);

}  // namespace troupe::os
