#include <troupe/app.h>

#include <troupe/shared_block.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "node/replay.h"
#include "node/root.h"
#include "os/app_log.h"
#include "os/kill_point.h"
#include "os/limits.h"
#include "os/process.h"
#include "os/title.h"
#include "supervision/blueprint.h"
#include "supervision/spec_check.h"
#include "supervision/ticket.h"
#include "wire/proof.h"

namespace troupe {

using supervision::Blueprint;

namespace {

constexpr const char* kMainId = "main";

// What a stranger sees of an error that nobody caught, instead of the runtime's words and a core dump.
std::terminate_handler previousHandler = nullptr;
void printErrorAndEnd() {
  if (const auto exception = std::current_exception()) {
    try {
      std::rethrow_exception(exception);
    } catch (const Error& error) {
      std::fprintf(stderr, "error: %s\n", error.what());
      os::endProcess(2);
    } catch (...) {}
  }
  previousHandler();
}

class MainActor final : public Actor<MainActor> {
 public:
  explicit MainActor(std::function<Task<>(Self&)> body) : body_(std::move(body)) {}
  Task<> run() { return body_(self()); }

 private:
  std::function<Task<>(Self&)> body_;
};

}  // namespace

// --- Group ---

Group::Group(std::shared_ptr<Blueprint> blueprint, std::string path,
             std::shared_ptr<const std::vector<int>> opened)
    : blueprint_(std::move(blueprint)), path_(std::move(path)), opened_(std::move(opened)) {}

Group::~Group() = default;

void Group::add(std::shared_ptr<Blueprint> child, const std::vector<int>& descriptors) {
  for (const int fd : descriptors) {
    unsigned index = 0;
    while (index < opened_->size() && (*opened_)[index] != fd) ++index;
    if (index == opened_->size() && child->declaration.spec.launch == Launch::exec) {
      throw Error(
          ErrorKind::invalid,
          "declaring the child \"" + child->declaration.id + "\" of " + path_ +
              ": a child that is started by exec can only be given sockets and memory that its App has opened");
    }
    child->descriptors.push_back({.fd = fd, .index = index});
  }
  std::vector<supervision::ChildDeclaration> declarations;
  // The others have been checked; there can be thousands.
  for (const auto& sibling : blueprint_->children) {
    if (sibling->declaration.id == child->declaration.id) declarations.push_back(sibling->declaration);
  }
  declarations.push_back(child->declaration);
  SupervisorSpec flags = blueprint_->flags;
  // App::stopWhen may still follow; run() checks again.
  if (path_ == "/" && flags.autoShutdown == AutoShutdown::never)
    flags.autoShutdown = AutoShutdown::anySignificant;
  supervision::checkChildren(path_, flags, declarations);
  blueprint_->children.push_back(std::move(child));
}

void Group::addActor(std::string id, ChildSpec spec, const detail::ActorClass& actorClass,
                     detail::ActorFactory factory, std::vector<int> descriptors, bool isTemplate) {
  auto child = std::make_shared<Blueprint>();
  child->declaration = {.id = std::move(id), .spec = spec, .isTemplate = isTemplate};
  child->actorClass = &actorClass;
  child->factory = std::move(factory);
  add(std::move(child), descriptors);
}

void Group::addPool(std::string id, const PoolSpec& spec, const detail::ActorClass& actorClass,
                    detail::ActorFactory factory, std::vector<int> descriptors) {
  auto pool = std::make_shared<Blueprint>();
  pool->role = wire::Role::pool;
  pool->flags = {.strategy = Strategy::oneForOne, .maxRestarts = spec.maxRestarts, .within = spec.within};
  pool->declaration = {.id = id, .spec = supervision::asChild(pool->flags), .isSupervisor = true};
  pool->declaration.spec.mailboxBytes = spec.mailboxBytes;
  pool->interfaces = actorClass.interfaces;
  const unsigned size = spec.size == 0 ? os::usableCores() : spec.size;
  Group group(pool, supervision::pathBelow(path_, id), opened_);
  for (unsigned i = 1; i <= size; ++i) {
    auto worker = std::make_shared<Blueprint>();
    worker->role = wire::Role::poolWorker;
    worker->declaration.id = std::to_string(i);
    worker->declaration.spec = {.restart = spec.restart,
                                .stop = spec.stop,
                                .readyWithin = spec.readyWithin,
                                .backOff = spec.backOff,
                                .onCrash = spec.onCrash,
                                .watchdog = spec.watchdog,
                                .limits = spec.limits,
                                .recycleAfter = spec.recycleAfter,
                                .launch = spec.launch,
                                .output = spec.output,
                                .spares = spec.spares,
                                .maxMessageBytes = spec.maxMessageBytes};
    worker->actorClass = &actorClass;
    worker->factory = factory;
    group.add(std::move(worker), descriptors);
  }
  add(std::move(pool), {});
}

Group& Group::supervisor(std::string id, SupervisorSpec spec) {
  auto child = std::make_shared<Blueprint>();
  child->role = wire::Role::supervisor;
  child->flags = spec;
  child->declaration = {.id = id, .spec = supervision::asChild(spec), .isSupervisor = true};
  const std::string path = supervision::pathBelow(path_, id);
  supervision::checkSupervisor(path, spec);
  add(child, {});
  groups_.push_back(std::unique_ptr<Group>(new Group(std::move(child), path, opened_)));
  return *groups_.back();
}

// --- App ---

struct App::State {
  supervision::Program program;
  std::shared_ptr<std::vector<int>> opened = std::make_shared<std::vector<int>>();
  std::vector<net::Listener> listeners;
  std::vector<detail::SharedMemory> memories;
  std::shared_ptr<Blueprint> main;
  std::function<void()> ready = [] {};
  std::optional<supervision::Ticket> ticket;
  std::optional<std::string> replay;  // the file of a dead letter
  std::string name;
  bool attachable = true;
  std::string key;
  DeadLetterSpec deadLetters;
};

namespace {

constexpr std::size_t kLongestName = 64;

bool canBeName(const std::string& name) {
  return !name.empty() && name.size() <= kLongestName && name[0] != '.' &&
         std::ranges::all_of(name, [](unsigned char c) { return c > ' ' && c != 0x7f && c != '/'; });
}

// Of the program's file.
std::string nameOf(const std::vector<std::string>& arguments) {
  const std::string program = arguments.empty() ? "" : arguments[0];
  const std::string name = program.substr(program.rfind('/') + 1);
  return canBeName(name) ? name : "app";
}

std::shared_ptr<Blueprint> newRoot() {
  auto blueprint = std::make_shared<Blueprint>();
  blueprint->role = wire::Role::supervisor;
  blueprint->declaration.id = "/";
  return blueprint;
}

// What main has opened in the root, as this child was given it; -1: it was not.
int inheritedAt(const supervision::Ticket& ticket, unsigned index) {
  for (const auto& inherited : ticket.inherited) {
    if (inherited.index == index) return inherited.fd;
  }
  return -1;
}

[[noreturn]] void become(const Blueprint& root, supervision::Ticket ticket, const std::string& program) {
  actor::Assignment& assignment = ticket.assignment;
  if (!ticket.type.empty()) {
    const auto* constructible = detail::findConstructible(ticket.type);
    if (constructible == nullptr) {
      throw Error(ErrorKind::invalid, "becoming " + ticket.path + ": this program has no actor class " +
                                          detail::readableType(ticket.type.c_str()));
    }
    assignment.actorClass = constructible->actorClass;
    assignment.factory = constructible->factory;
  } else {
    const Blueprint* const part = supervision::findPart(root, ticket.path, ticket.declared);
    if (part == nullptr || part->actorClass == nullptr) {
      throw Error(ErrorKind::invalid,
                  "becoming " + ticket.path + ": main has declared no such child this time");
    }
    assignment.actorClass = part->actorClass;
    assignment.factory = part->factory;
    assignment.alone = part->role != wire::Role::poolWorker;
  }
  assignment.program = program.substr(program.rfind('/') + 1);
  const std::string shown = ticket.spare ? supervision::sparePath(ticket.path) : ticket.path;
  os::setTitle(actor::titleOf(shown, assignment.program));
  os::setKillPath(shown);
  actor::awaitTakeOver(assignment);
  actor::runActor(std::move(assignment));
}

}  // namespace

App::App(int argc, char** argv) : App(std::make_unique<State>()) {
  os::fillStandardDescriptors();
  os::logSettings() = {};
  os::inheritLog();
  if (previousHandler == nullptr) previousHandler = std::set_terminate(printErrorAndEnd);
  state_->program.arguments.assign(argv, argv + argc);
  state_->name = nameOf(state_->program.arguments);
  state_->ticket = supervision::readTicket();
  state_->replay = node::fileToReplay(state_->program.arguments);
  os::reserveTitle(argc, argv);
}

App::App(std::unique_ptr<State> state) : Group(newRoot(), "/", state->opened), state_(std::move(state)) {}

App::~App() = default;

void App::main(std::function<Task<>(Self&)> body) {
  if (state_->main) throw Error(ErrorKind::invalid, "App::main was called twice: an app has one main");
  auto child = std::make_shared<Blueprint>();
  child->declaration = {.id = kMainId, .spec = {.restart = Restart::temporary, .output = Output::inherited}};
  child->keepStandardInput = true;
  child->actorClass = &detail::classOf<MainActor>();
  child->factory = detail::factoryOf<MainActor>(std::move(body));
  state_->main = std::move(child);
}

net::Listener App::listen(const std::string& address) {
  const auto index = static_cast<unsigned>(state_->opened->size());
  if (state_->ticket) {
    // The root has bound it; this child has it if it was given it.
    const int fd = inheritedAt(*state_->ticket, index);
    state_->opened->push_back(fd);
    const auto& listening = state_->ticket->listening;
    if (index < listening.size() && listening[index].empty())
      throw Error(ErrorKind::invalid, "listening at " + address +
                                          ": the program that started this one has opened memory there; what "
                                          "newer programs open beside comes last in main");
    if (fd >= 0) return net::Listener::fromFd(fd);
    return index < listening.size() ? net::Listener::elsewhere(listening[index]) : net::Listener();
  }
  if (state_->replay) {
    // The app itself may be running, and have it.
    state_->opened->push_back(-1);
    return net::Listener::elsewhere(address);
  }
  state_->listeners.push_back(net::listen(address));
  state_->opened->push_back(state_->listeners.back().fd());
  state_->program.listening.push_back(state_->listeners.back().address());
  return state_->listeners.back();
}

detail::SharedMemory App::share(const detail::SharedType& type, std::string name,
                                std::span<const std::byte> initial) {
  if (state_->ticket) {
    const int fd = inheritedAt(*state_->ticket, static_cast<unsigned>(state_->opened->size()));
    state_->opened->push_back(fd);
    return fd >= 0 ? detail::SharedMemory::fromFd(type, fd, name)
                   : detail::SharedMemory::elsewhere(type, std::move(name));
  }
  const bool taken = std::ranges::any_of(
      state_->memories, [&](const detail::SharedMemory& memory) { return memory.name() == name; });
  if (taken)
    throw Error(ErrorKind::invalid, "sharing the memory \"" + name + "\": there is another of that name");
  state_->memories.push_back(detail::SharedMemory::make(type, std::move(name), initial));
  state_->opened->push_back(state_->memories.back().fd());
  state_->program.listening.emplace_back();
  return state_->memories.back();
}

SharedBlock App::sharedBlock(std::string name, std::size_t bytes) {
  return SharedBlock(share(SharedBlock::type(bytes), std::move(name), {}));
}

void App::supervise(SupervisorSpec spec) {
  supervision::checkSupervisor("/", spec);
  if (!blueprint().children.empty()) {
    throw Error(ErrorKind::invalid, "App::supervise must be called before children are declared");
  }
  blueprint().flags = spec;
}

void App::name(std::string name) {
  if (!canBeName(name)) {
    throw Error(ErrorKind::invalid, "naming the app \"" + name + "\": a name has 1 to " +
                                        std::to_string(kLongestName) +
                                        " bytes, no '/' and no white space, and does not begin with a dot");
  }
  state_->name = std::move(name);
}

void App::attachable(bool yes) { state_->attachable = yes; }

void App::key(std::string key) {
  if (key.empty())
    throw Error(ErrorKind::invalid, "App::key was called with an empty key: anybody could guess it");
  state_->key = std::move(key);
}

void App::deadLetters(DeadLetterSpec spec) { state_->deadLetters = std::move(spec); }

void App::ready(std::function<void()> then) { state_->ready = std::move(then); }

void App::stopWhen(AutoShutdown when) { blueprint().flags.autoShutdown = when; }

int App::run() {
  auto blueprint = std::make_shared<Blueprint>(this->blueprint());
  if (state_->main) {
    for (unsigned i = 0; i < state_->opened->size(); ++i)
      state_->main->descriptors.push_back({(*state_->opened)[i], i});
    blueprint->children.push_back(state_->main);
  }
  std::vector<supervision::ChildDeclaration> declarations;
  for (const auto& child : blueprint->children) declarations.push_back(child->declaration);
  supervision::checkChildren("/", blueprint->flags, declarations);
  if (state_->ticket)
    become(*blueprint, std::move(*state_->ticket),
           state_->program.arguments.empty() ? "" : state_->program.arguments[0]);
  if (state_->replay) node::replay(*blueprint, *state_->replay);
  if (const unsigned threads = os::threadCount(); threads > 1) {
    throw Error(ErrorKind::invalid, "running the app: this process has " + std::to_string(threads) +
                                        " threads, and only a process of one can fork its children");
  }
  os::makeLog();
  node::Root root({.blueprint = std::move(blueprint),
                   .program = state_->program,
                   .ready = state_->ready,
                   .name = state_->name,
                   .attachable = state_->attachable,
                   .key = state_->key.empty() ? wire::keyOfEnvironment() : state_->key,
                   .deadLetterBytes = state_->deadLetters.bytes,
                   .deadLetterFolder = state_->deadLetters.folder});
  return root.run();
}

}  // namespace troupe
