// Tasks that run on their own: started here, kept until they end, cancelled together when the group goes.
//
// Errors:  what `failed` and `then` throw goes to the current loop (loop.h), and leaves its run(); without
//          one, the process ends.
// Threads: the loop's.
#pragma once

#include <troupe/task.h>

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>

namespace troupe::loop {

class TaskGroup {
 public:
  // `failed` is called with the exception that leaves a task, from the loop's thread; the task is over then.
  explicit TaskGroup(std::function<void(std::exception_ptr)> failed);
  // Cancels what still runs. Must not be called from within one of its tasks.
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Runs the task up to its first suspension, now.
  void spawn(Task<> task);
  // Runs `then` when the task has ended without an exception. `context` is what it runs on behalf of
  // (detail::Strand::context).
  void spawn(Task<> task, std::function<void()> then, void* context = nullptr);

  std::size_t size() const;
  // Cancels all that is suspended. A task that is running at this moment (the caller's own) goes on until it
  // ends, or until it suspends: it is never resumed then, and is destroyed when the group is next used.
  void cancelAll();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace troupe::loop
