// App: the tree of supervisors and actors that a program is, described in main and then run.
//
//     int main(int argc, char** argv) {
//       troupe::App app(argc, argv);
//       app.child<Polite>("greeter");
//       app.main([](troupe::Self& self) -> troupe::Task<> { ... });
//       return app.run();
//     }
//
// Order:     children start in the order in which they were declared, each when the one before is ready; main() starts last. They
//            stop in reverse order.
// Ownership: constructor arguments are captured by value. Each process has its own copy, as it was when it was declared.
// Errors:    `invalid` for specs that make no sense (naming child, field and value) and `system` for a socket that can't be opened,
//            thrown at the call. One that leaves main() is printed, and the program ends with code 2.
// Threads:   main's; App must be made and run in a program of one thread. The process of App is the root: it runs no actor.
#pragma once

#include <troupe/actor_class.h>
#include <troupe/net.h>
#include <troupe/net_argument.h>
#include <troupe/self.h>
#include <troupe/spec.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace troupe {

namespace supervision {
struct Blueprint;
}
template <class T>
class Queue;
template <class T>
class Shared;
class SharedBlock;

namespace detail {

class SharedMemory;
struct SharedType;

// The descriptors in an argument that a child must inherit.
template <class T>
void addDescriptors(std::vector<int>& to, const T& argument) {
  if constexpr (requires { ArgumentCodec<T>::descriptorOf(argument); })
    to.push_back(ArgumentCodec<T>::descriptorOf(argument));
}

template <class... Args>
std::vector<int> descriptorsOf(const Args&... arguments) {
  std::vector<int> descriptors;
  (addDescriptors(descriptors, arguments), ...);
  return descriptors;
}

}  // namespace detail

// Where messages go that a process had in hand when it died.
struct DeadLetterSpec {
  // In the root's memory; beyond that the oldest go. The command `troupe dead-letters` shows them.
  std::size_t bytes = std::size_t{16} << 20;
  // Each is also saved there as a file, for its owner alone; where it is not empty. The files outlive the app, also where it is
  // killed; the root does not wait until they are on the disk, so a crash of the machine may cost the last ones.
  std::string folder = {};
};

// A supervisor of the tree, while it is described.
class Group {
 public:
  // An actor. The arguments go to its constructor, in its own process.
  template <class A, class... Args>
  Group& child(std::string id, ChildSpec spec = {}, Args... args) {
    auto descriptors = detail::descriptorsOf(args...);
    addActor(std::move(id), std::move(spec), detail::classOf<A>(), detail::factoryOf<A>(std::move(args)...),
             std::move(descriptors), false);
    return *this;
  }

  // A template: actors "id:1", "id:2", ... are started from it on demand (SupervisorRef::start), with these arguments before
  // those given there. OTP's simple_one_for_one, beside other children. Under Strategy::oneForOne only.
  template <class A, class... Args>
  Group& each(std::string id, ChildSpec spec = {}, Args... args) {
    auto descriptors = detail::descriptorsOf(args...);
    addActor(std::move(id), std::move(spec), detail::classOf<A>(), detail::factoryOf<A>(std::move(args)...),
             std::move(descriptors), true);
    return *this;
  }

  // A pool: workers "id/1" to "id/n" in processes of their own share one mailbox, so that the kernel gives each packet to whoever is
  // free. It is a one-for-one supervisor; a Ref to it is found by its id.
  template <class A, class... Args>
  Group& pool(std::string id, PoolSpec spec = {}, Args... args) {
    auto descriptors = detail::descriptorsOf(args...);
    addPool(std::move(id), spec, detail::classOf<A>(), detail::factoryOf<A>(std::move(args)...),
            std::move(descriptors));
    return *this;
  }

  // A ready-made actor, by the class that stands for it: add<Queue<Dish>>("table", {.capacity = 8}).
  template <ReadyMade Part>
  Group& add(std::string id, typename Part::Spec spec = {}) {
    Part::declare(*this, std::move(id), std::move(spec));
    return *this;
  }
  // <troupe/queue.h>
  template <class T>
  Group& queue(std::string id, typename Queue<T>::Spec spec = {}) {
    return add<Queue<T>>(std::move(id), std::move(spec));
  }

  // A supervisor below this one, in a process of its own; children are declared on what is returned, which is valid as long
  // as the App.
  Group& supervisor(std::string id, SupervisorSpec spec = {});

  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  ~Group();

 protected:
  Group(std::shared_ptr<supervision::Blueprint> blueprint, std::string path,
        std::shared_ptr<const std::vector<int>> opened);
  supervision::Blueprint& blueprint() { return *blueprint_; }

 private:
  void addActor(std::string id, ChildSpec spec, const detail::ActorClass& actorClass,
                detail::ActorFactory factory, std::vector<int> descriptors, bool isTemplate);
  void addPool(std::string id, const PoolSpec& spec, const detail::ActorClass& actorClass,
               detail::ActorFactory factory, std::vector<int> descriptors);
  void add(std::shared_ptr<supervision::Blueprint> child, const std::vector<int>& descriptors);

  std::shared_ptr<supervision::Blueprint> blueprint_;
  std::string path_;
  std::shared_ptr<const std::vector<int>> opened_;
  std::vector<std::unique_ptr<Group>> groups_;
};

class App : public Group {
 public:
  // To be made first in main: it may take over this very process, if it is a child that was started by exec.
  App(int argc, char** argv);
  ~App();

  // The app's own main: an actor called "main" that runs this, with the program's standard input and output for itself. The app
  // ends when it ends; run() then returns 0, or what it ended with. Captured references refer to its own copy of main's
  // variables.
  void main(std::function<Task<>(Self&)> body);

  // Binds a listening socket, here, once: children that are given it inherit it, so it stays open while they crash. "host:port",
  // "[::1]:port", ":port" for all interfaces, "unix:/path"; port 0 lets the system choose.
  net::Listener listen(const std::string& address);

  // Memory for children that are given it, and for main: a value, or bytes. <troupe/shared.h>, <troupe/shared_block.h>
  template <class T>
  Shared<T> shared(std::string name, const T& initial = T{}) {
    return Shared<T>(share(Shared<T>::type(), std::move(name), std::as_bytes(std::span(&initial, 1))));
  }
  SharedBlock sharedBlock(std::string name, std::size_t bytes);

  // The top supervisor's own spec: strategy, maxRestarts, within, autoShutdown. To be said before children are declared.
  void supervise(SupervisorSpec spec);
  // Ends the app when significant children have ended.
  void stopWhen(AutoShutdown when);

  // What the command `troupe` calls this app, instead of the program's file name.
  // Errors: invalid, for one that can't be part of a file's name, or is longer than 64 bytes.
  void name(std::string name);
  // Whether that command can attach to it, through a socket that its user alone can use; it can, where nothing is said.
  void attachable(bool yes);
  // Who attaches must prove to have the same key (docs/client.md). Where nothing is said, that of $TROUPE_KEY, or in the file
  // $TROUPE_KEY_FILE, if there is one.
  void key(std::string key);
  void deadLetters(DeadLetterSpec spec);

  // Called once, in the root, when all children have been started: a place to say that the program is ready. It must not block.
  void ready(std::function<void()> then);

  // Runs the app until it ends, and returns what main() should return: 0 after an orderly end; what "main" ended with, if it
  // did otherwise; 1 where the top supervisor gave up. SIGINT and SIGTERM stop it in an orderly way; a second one kills it.
  // While it runs it reaps every child of this process, also those that the program had before; those it leaves alive.
  // SIGPIPE stays ignored. In a child that was started by exec it never returns.
  int run();

 private:
  struct State;
  explicit App(std::unique_ptr<State> state);
  detail::SharedMemory share(const detail::SharedType& type, std::string name,
                             std::span<const std::byte> initial);
  std::unique_ptr<State> state_;
};

}  // namespace troupe
