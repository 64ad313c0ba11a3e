#include "loop/task_group.h"

#include <algorithm>
#include <list>
#include <utility>

#include "loop/loop.h"

namespace troupe {

detail::Strand*& detail::Strand::current() noexcept {
  thread_local Strand* running = nullptr;
  return running;
}

namespace loop {

struct TaskGroup::State : std::enable_shared_from_this<State> {
  struct Entry final : detail::Strand {
    State* group = nullptr;
    std::list<std::unique_ptr<Entry>>::iterator place;
    Task<> task;
    std::function<void()> then;
  };

  std::function<void(std::exception_ptr)> failed;
  std::list<std::unique_ptr<Entry>> entries;
  bool sweepDue = false;
  bool sweeping = false;

  void start(Task<> task, std::function<void()> then, void* context);
  // Takes an entry out, so that what its destruction does finds the group in order.
  std::unique_ptr<Entry> take(Entry& entry);
  // Destroys what was cancelled, except what runs at this moment.
  void sweep();
  void report(const std::function<void()>& then, std::exception_ptr error) noexcept;
  static void onEnded(detail::Strand& strand) noexcept;
};

void TaskGroup::State::start(Task<> task, std::function<void()> then, void* context) {
  auto made = std::make_unique<Entry>();
  Entry& entry = *made;
  entry.ended = &State::onEnded;
  entry.group = this;
  entry.task = std::move(task);
  entry.then = std::move(then);
  entry.place = entries.insert(entries.end(), std::move(made));
  entry.task.promise().beginStrand(entry);
  entry.context = context;
  entry.wake();
  entry.task.resume();  // it may have ended, and the entry have gone, after this
}

std::unique_ptr<TaskGroup::State::Entry> TaskGroup::State::take(Entry& entry) {
  std::unique_ptr<Entry> taken = std::move(*entry.place);
  entries.erase(entry.place);
  return taken;
}

void TaskGroup::State::sweep() {
  // What a task's destruction starts or cancels is found by the sweep that destroys it: thousands of tasks must not be as many calls
  // deep.
  if (!sweepDue || sweeping) return;
  sweeping = true;
  const auto due = [](const auto& entry) { return entry->cancelled && !entry->running; };
  // From the beginning each time: the destruction of one task may end, start or cancel others.
  for (;;) {
    const auto one = std::find_if(entries.begin(), entries.end(), due);
    if (one == entries.end()) break;
    take(**one);
  }
  sweeping = false;
  sweepDue = std::any_of(entries.begin(), entries.end(), [](const auto& entry) { return entry->cancelled; });
}

void TaskGroup::State::onEnded(detail::Strand& strand) noexcept {
  auto& entry = static_cast<Entry&>(strand);
  entry.sleep();
  const std::shared_ptr<State> group = entry.group->shared_from_this();
  const std::exception_ptr error = entry.task.promise().exception();
  const std::function<void()> then = std::move(entry.then);
  group->take(entry);
  group->report(then, error);
}

// Called where no exception may pass; it goes to whoever runs the loop instead.
void TaskGroup::State::report(const std::function<void()>& then, std::exception_ptr error) noexcept {
  try {
    if (error)
      failed(error);
    else if (then)
      then();
  } catch (...) {
    currentLoop().post([thrown = std::current_exception()] { std::rethrow_exception(thrown); });
  }
}

TaskGroup::TaskGroup(std::function<void(std::exception_ptr)> failed) : state_(std::make_shared<State>()) {
  state_->failed = std::move(failed);
}

TaskGroup::~TaskGroup() { cancelAll(); }

void TaskGroup::spawn(Task<> task) { spawn(std::move(task), nullptr); }

void TaskGroup::spawn(Task<> task, std::function<void()> then, void* context) {
  const std::shared_ptr<State> state = state_;  // what the task does may destroy this group
  state->sweep();
  state->start(std::move(task), std::move(then), context);
}

std::size_t TaskGroup::size() const {
  state_->sweep();
  return state_->entries.size();
}

void TaskGroup::cancelAll() {
  const std::shared_ptr<State> state = state_;
  for (const auto& entry : state->entries) entry->cancelled = true;
  state->sweepDue = true;
  state->sweep();
}

}  // namespace loop
}  // namespace troupe
