#include <troupe/shared_memory.h>

#include <troupe/error.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <new>
#include <optional>
#include <random>
#include <utility>

#include "actor/pending_calls.h"
#include "actor/shared_head.h"
#include "os/kill_point.h"
#include "os/limits.h"
#include "os/process.h"
#include "os/shared_memory.h"

namespace troupe::detail {

namespace {

using actor::SharedHead;
using actor::TwoCopies;
using Form = SharedType::Form;

// No machine has as much; and no sum of sizes overflows.
constexpr std::size_t kMostBytes = std::size_t{1} << 46;

std::string quoted(const std::string& name) { return "the shared memory \"" + name + "\""; }

Error invalid(const std::string& text) { return Error(ErrorKind::invalid, text); }

std::size_t contentAt(Form form) {
  return form == Form::block ? actor::kSharedBlockAt : actor::kSharedContent;
}

std::size_t lengthOf(const SharedType& type) {
  const std::size_t copies = 2 * TwoCopies::wordsFor(type.bytes) * sizeof(TwoCopies::Word);
  return contentAt(type.form) + (type.form == Form::value ? copies : type.bytes);
}

std::string describe(Form form, const std::string& type, std::size_t bytes) {
  const std::string of = " of " + std::to_string(bytes) + " bytes";
  return form == Form::block ? "a block" + of : type + of;
}

SharedHead& headIn(const os::Mapping& mapping) { return *static_cast<SharedHead*>(mapping.data()); }

TwoCopies copiesIn(const os::Mapping& mapping, std::size_t bytes) {
  auto* const words =
      reinterpret_cast<TwoCopies::Word*>(static_cast<std::byte*>(mapping.data()) + actor::kSharedContent);
  return {headIn(mapping).counts, words, bytes};
}

template <std::size_t size>
void setText(char (&to)[size], const std::string& text) {
  std::memcpy(to, text.data(), std::min(text.size(), size - 1));
}
template <std::size_t size>
std::string textIn(const char (&from)[size]) {
  return {from, std::find(from, from + size, '\0')};
}

std::uint64_t newId() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

void checkName(const std::string& name) {
  if (name.empty() || name.size() > actor::kMostSharedName || name.find('\0') != std::string::npos)
    throw invalid("making " + quoted(name) + ": a name has 1 to " + std::to_string(actor::kMostSharedName) +
                  " bytes, none of them zero");
}

void checkSize(const std::string& name, std::size_t bytes) {
  if (bytes == 0) throw invalid("making " + quoted(name) + ": it would have no bytes");
  const std::size_t most = std::min(os::obtainableMemory(), kMostBytes);
  if (bytes > most)
    throw Error::system("cannot make " + quoted(name) + " of " + std::to_string(bytes) +
                            " bytes: " + std::to_string(most) + " are to be had",
                        ENOMEM);
}

}  // namespace

// What belongs to one process is made when it is first used there, and forgotten in a process that is forked from that one: neither has the
// copy the mapping, nor is a descriptor of that number what it was.
struct SharedMemory::State {
  std::string name;
  SharedType type;
  os::Fd fd;  // goes to children; not set: this process does not have it
  std::uint64_t id = 0;

  unsigned forks = os::forksSoFar();
  std::array<os::Mapping, 2> mappings = {};  // to write to, to read
  std::optional<os::SharedLock> lock = {};

  State(std::string named, const SharedType& of, os::Fd memory, std::uint64_t identity)
      : name(std::move(named)), type(of), fd(std::move(memory)), id(identity) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { settle(); }

  void settle() {
    if (forks == os::forksSoFar()) return;
    for (os::Mapping& mapping : mappings) mapping.forget();
    if (lock) lock->forget();
    lock.reset();
    forks = os::forksSoFar();
  }

  [[noreturn]] void notGiven() const { throw invalid("this process was not given " + quoted(name)); }

  const os::Mapping& mapped(bool readOnly) {
    settle();
    os::Mapping& mapping = mappings[readOnly ? 1 : 0];
    if (!mapping.valid()) mapping = map(readOnly);
    return mapping;
  }

  // The number may be that of another descriptor by now, where this process was forked and is not to have the memory.
  os::Mapping map(bool readOnly) const {
    if (!fd.valid() || !os::keepsItsSize(fd)) notGiven();
    const std::size_t bytes = lengthOf(type);
    if (os::sizeOf(fd) < bytes) notGiven();
    os::Mapping mapping = readOnly ? os::Mapping::readOnly(fd, bytes) : os::Mapping(fd, bytes);
    if (headIn(mapping).id != id) notGiven();
    mapping.keepFromForks();
    return mapping;
  }
};

// --- Making and finding ---

SharedMemory SharedMemory::make(const SharedType& type, std::string name,
                                std::span<const std::byte> initial) {
  checkName(name);
  checkSize(name, type.bytes);
  const std::size_t length = lengthOf(type);
  os::Fd fd = os::makeSharedMemory("troupe:" + name, length);
  os::reserve(fd, 0, length);
  const std::uint64_t id = newId();
  {
    const os::Mapping mapping(fd, length);
    auto* const head = new (mapping.data()) SharedHead{};
    head->id = id;
    head->fingerprint = type.fingerprint;
    head->bytes = type.bytes;
    head->form = static_cast<std::uint64_t>(type.form);
    setText(head->name, name);
    setText(head->type, readableType(type.type));
    head->magic = actor::kSharedMagic;
    if (type.form == Form::value) {
      TwoCopies copies = copiesIn(mapping, type.bytes);
      copies.prepare(initial.data());
      copies.count();
    } else if (!initial.empty()) {
      std::memcpy(static_cast<std::byte*>(mapping.data()) + contentAt(type.form), initial.data(),
                  initial.size());
    }
  }
  return SharedMemory(std::make_shared<State>(std::move(name), type, std::move(fd), id));
}

SharedMemory SharedMemory::fromFd(const SharedType& type, int number, const std::string& name) {
  os::Fd fd(number);
  const bool readOnly = os::isReadOnly(fd);
  const std::string called = name.empty() ? "shared memory" : quoted(name);
  if (!os::keepsItsSize(fd) || os::sizeOf(fd) < sizeof(SharedHead))
    throw invalid("taking " + called + ": there is something else");
  const os::Mapping mapping = os::Mapping::readOnly(fd, sizeof(SharedHead));
  const SharedHead& head = headIn(mapping);
  if (head.magic != actor::kSharedMagic) throw invalid("taking " + called + ": there is something else");
  const std::string has = textIn(head.name);
  if (!name.empty() && has != name)
    throw invalid("taking " + called + ": the program that made it has called it \"" + has +
                  "\"; what newer programs share beside comes last in main");
  SharedType found = type;
  if (type.bytes == 0) found.bytes = head.bytes;
  if (head.form != static_cast<std::uint64_t>(type.form) || head.fingerprint != type.fingerprint ||
      head.bytes != found.bytes || found.bytes == 0 || found.bytes > kMostBytes ||
      os::sizeOf(fd) < lengthOf(found)) {
    throw invalid("taking " + quoted(has) + ": it was made as " +
                  describe(static_cast<Form>(head.form), textIn(head.type), head.bytes) +
                  ", and is to be taken as " + describe(type.form, readableType(type.type), found.bytes) +
                  " of another layout");
  }
  const std::uint64_t id = head.id;
  return SharedMemory(std::make_shared<State>(has, found, std::move(fd), id), readOnly);
}

SharedMemory SharedMemory::elsewhere(const SharedType& type, std::string name) {
  return SharedMemory(std::make_shared<State>(std::move(name), type, os::Fd(), 0));
}

// "w" or "r", process, descriptor, id.
std::string SharedMemory::address() const {
  const State& of = state();
  if (!of.fd.valid()) of.notGiven();
  return (readOnly_ ? "r." : "w.") + std::to_string(os::processId()) + "." + std::to_string(of.fd.get()) +
         "." + std::to_string(of.id);
}

SharedMemory SharedMemory::open(const SharedType& type, const std::string& address) {
  std::array<std::uint64_t, 3> numbers = {};
  const char* at = address.data() + std::min<std::size_t>(address.size(), 1);
  const char* const end = address.data() + address.size();
  bool right = address.starts_with("r.") || address.starts_with("w.");
  for (std::uint64_t& number : numbers) {
    right = right && at != end && *at == '.';
    if (!right) break;
    const auto [next, fault] = std::from_chars(at + 1, end, number);
    right = fault == std::errc();
    at = next;
  }
  const auto [process, descriptor, id] = numbers;
  if (!right || at != end || !std::in_range<pid_t>(process) || !std::in_range<int>(descriptor))
    throw invalid("opening shared memory: \"" + address.substr(0, 80) + "\" is no address of any");
  auto fd = os::openMemoryOf(static_cast<pid_t>(process), static_cast<int>(descriptor), address[0] == 'r');
  const auto gone = [process = process] {
    return Error::gone("opening shared memory by its address: process " + std::to_string(process) +
                           " has ended, or has it no more",
                       {});
  };
  if (!fd) throw gone();
  if (!os::keepsItsSize(*fd) || os::sizeOf(*fd) < sizeof(SharedHead)) throw gone();
  {
    const os::Mapping mapping = os::Mapping::readOnly(*fd, sizeof(SharedHead));
    if (headIn(mapping).magic != actor::kSharedMagic || headIn(mapping).id != id) throw gone();
  }
  return fromFd(type, fd->release());
}

Argument SharedMemory::toArgument(const SharedMemory& memory) {
  const State& of = memory.state();
  if (!of.fd.valid()) of.notGiven();
  os::Fd copy = memory.readOnly_ ? os::openReadOnly(of.fd) : of.fd.duplicate();
  return ownDescriptor(DescriptorArgument::Kind::memory, copy.release());
}

SharedMemory SharedMemory::fromArgument(const SharedType& type, const Argument& value) {
  const auto* held = std::get_if<DescriptorArgument>(&value);
  if (held == nullptr || held->kind != DescriptorArgument::Kind::memory)
    wrongArgument(value, "shared memory");
  return fromFd(type, os::duplicateOf(*held->descriptor).release());
}

// --- What it is ---

SharedMemory::State& SharedMemory::state() const {
  if (!state_) throw invalid("this Shared or SharedBlock is empty: it was given no memory");
  return *state_;
}

const std::string& SharedMemory::name() const { return state().name; }
std::size_t SharedMemory::bytes() const { return state().type.bytes; }
bool SharedMemory::writable() const { return state_ != nullptr && !readOnly_; }
int SharedMemory::fd() const { return state_ ? state_->fd.get() : -1; }

SharedMemory SharedMemory::readOnly() const {
  state();
  return SharedMemory(state_, true);
}

// --- Using it ---

std::byte* SharedMemory::content(bool write) const {
  State& of = state();
  if (write && readOnly_)
    throw invalid("writing to " + quoted(of.name) + ": it was given to this process to be read only");
  return static_cast<std::byte*>(of.mapped(readOnly_).data()) + contentAt(of.type.form);
}

void SharedMemory::read(void* to) const {
  State& of = state();
  if (!copiesIn(of.mapped(readOnly_), of.type.bytes).read(to))
    throw invalid("reading " + quoted(of.name) + ": it was written over by something else than an update");
}

void SharedMemory::lock(Duration wait) const {
  content(true);
  State& of = state();
  if (!of.lock) of.lock.emplace(headIn(of.mapped(false)).lock, of.fd);
  switch (of.lock->lock(wait)) {
    case os::SharedLock::Outcome::taken: return os::killPoint("sharedLocked");
    case os::SharedLock::Outcome::again:
      throw invalid("updating " + quoted(of.name) + " inside an update of it");
    case os::SharedLock::Outcome::timeOver: break;
  }
  throw Error(ErrorKind::timedOut, "updating " + quoted(of.name) + ": process " +
                                       std::to_string(of.lock->holder()) +
                                       " was inside an update of it for " + actor::readable(wait));
}

void SharedMemory::unlock() const { state().lock->unlock(); }

void SharedMemory::commit(const void* from) const {
  State& of = state();
  TwoCopies copies = copiesIn(of.mapped(false), of.type.bytes);
  copies.prepare(from);
  os::killPoint("sharedWritten");
  copies.count();
  os::killPoint("sharedCounted");
}

}  // namespace troupe::detail
