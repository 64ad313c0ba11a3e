// SupervisorRef: what can be asked of a running supervisor, by any actor of the app.
//
// The operations and their errors are those of OTP's supervisor: start_child, terminate_child, restart_child, delete_child,
// which_children, count_children, get_childspec. A supervisor answers while its children start, restart or hang.
//
// Errors:  gone (no such supervisor, child or template), invalid (it is running, restarting, already there; or the caller
//          waits for itself), crashed (a child that could not be started, with its reason), timedOut (after within()).
// Threads: the event loop of the actor that has it.
#pragma once

#include <troupe/argument.h>
#include <troupe/ref.h>
#include <troupe/spec.h>
#include <troupe/task.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

// A child that was started on demand or by hand.
struct StartedChild {
  std::string id;    // "connection:7"
  std::string path;  // "/connections/connection:7"
  ActorId actor = 0;
  int pid = 0;           // of its first process; 0 where it ignored
  bool ignored = false;  // its init said that there is nothing to do
  std::string info;      // what its init said beside

  // To talk to it. It must serve I: a call of a method that it does not know fails with `invalid`.
  template <class I>
  Ref<I> ref() const {
    return Ref<I>(RefBase(actor, path));
  }
};

struct ChildInfo {
  std::string id;
  std::string path;
  ChildState state = ChildState::stopped;
  bool supervisor = false;
  Restart restart = Restart::permanent;
  int pid = 0;
};

// OTP's count_children.
struct ChildCounts {
  std::size_t specs = 0;        // children and templates, dead or alive
  std::size_t active = 0;       // running
  std::size_t supervisors = 0;  // that are supervisors, dead or alive
  std::size_t workers = 0;
  friend bool operator==(const ChildCounts&, const ChildCounts&) = default;
};

struct NamedChildSpec {
  ShortText id;
  ChildSpec spec = {};
};

namespace detail {
// <troupe/actor_class.h>
template <class A>
std::string constructibleType();
}  // namespace detail

class SupervisorRef {
 public:
  explicit SupervisorRef(std::string path) : path_(std::move(path)) {}
  const std::string& path() const { return path_; }
  // The same, with a deadline for each request. The default is kForever: a start takes as long as it takes, and ends by the
  // child's own readyWithin.
  SupervisorRef within(Duration deadline) const;

  // Starts one more instance of a template, with these arguments after those given to each(): numbers, bool, text, Ref,
  // net::Stream, net::Listener, Shared<T>, SharedBlock. Streams move into the new process.
  template <class... Args>
  Task<StartedChild> start(std::string templateId, Args... args) const {
    return startInstance(std::move(templateId), ArgumentList::of(std::move(args)...));
  }
  // Adds a child and starts it. The class must be one of this very program.
  template <class A, class... Args>
  Task<StartedChild> startChild(std::string id, ChildSpec spec, Args... args) const {
    return startActor(std::move(id), detail::constructibleType<A>(), std::move(spec),
                      ArgumentList::of(std::move(args)...));
  }
  // Waits until it has ended. A child that has none running is fine.
  Task<> stop(std::string id) const;
  Task<StartedChild> restart(std::string id) const;
  Task<> remove(std::string id) const;
  // Replaces the process of a running child by one of the program in the file `image`, which runs its main and becomes that
  // child: a newer build of this one. No message is lost. The older process goes on until the newer one has come as far as its
  // actor, then ends its turn and hands over mailbox, kept state and listening sockets; when the newer one is ready, the older
  // one's run() is cancelled, and it ends when its spawned tasks have, or the spec's stop limit is over. It can't send any more
  // meanwhile (`gone`). Errors: where the newer one does not become ready, the older one goes on, and this throws why. Later
  // starts of the child use the image too, whatever becomes of the file and of the supervisor (docs/supervision.md).
  Task<StartedChild> upgrade(std::string id, std::string image) const;
  // In start order; the instances of a template in its place.
  Task<std::vector<ChildInfo>> children() const;
  Task<ChildCounts> count() const;
  Task<ChildSpec> spec(std::string id) const;
  // Live change: of the supervisor's own strategy, limits and autoShutdown; and of children's specs, each by its id. Running
  // children keep their processes; the new values hold from the next decision on. Errors: invalid, and nothing is changed.
  Task<> change(SupervisorSpec flags) const;
  Task<> change(std::vector<NamedChildSpec> specs) const;

 private:
  Task<StartedChild> startInstance(std::string templateId, ArgumentList arguments) const;
  Task<StartedChild> startActor(std::string id, std::string type, ChildSpec spec,
                                ArgumentList arguments) const;

  std::string path_;
  Duration deadline_ = kForever;
};

}  // namespace troupe
