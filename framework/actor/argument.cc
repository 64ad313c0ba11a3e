#include <troupe/argument.h>

#include <troupe/actor_class.h>
#include <troupe/error.h>

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "os/fd.h"

namespace troupe {

DescriptorArgument ownDescriptor(DescriptorArgument::Kind kind, int fd) {
  return {kind, std::shared_ptr<const int>(new int(fd), [](const int* held) {
            os::Fd(*held).reset();
            delete held;
          })};
}

namespace detail {

namespace {

std::string describe(const Argument& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return std::to_string(*number);
  if (const auto* number = std::get_if<double>(&value)) return std::to_string(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return "the text \"" + text->substr(0, 40) + "\"";
  if (const auto* ref = std::get_if<RefBase>(&value)) return "a reference to " + ref->path();
  switch (std::get<DescriptorArgument>(value).kind) {
    case DescriptorArgument::Kind::stream: return "a stream";
    case DescriptorArgument::Kind::listener: return "a listener";
    case DescriptorArgument::Kind::memory: break;
  }
  return "shared memory";
}

// The one list of a program that is filled before main: which classes it can construct by name.
std::map<std::string, ConstructibleClass>& constructibles() {
  static std::map<std::string, ConstructibleClass> classes;
  return classes;
}

}  // namespace

void wrongArgument(const Argument& value, const char* wanted) {
  throw Error(ErrorKind::invalid,
              "a constructor argument is " + describe(value) + ", and the parameter is " + wanted);
}

void wrongArgumentCount(const char* type, std::size_t count) {
  throw Error(ErrorKind::invalid, readableType(type) + " has no constructor that takes these " +
                                      std::to_string(count) +
                                      " further arguments, or more than one (at most " +
                                      std::to_string(kMaxArguments) + " are possible)");
}

std::string readableType(const char* mangled) {
  int status = 0;
  char* name = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
  std::string readable = status == 0 && name != nullptr ? name : mangled;
  std::free(name);
  return readable;
}

void addConstructible(ConstructibleClass constructible) {
  const std::string type = constructible.actorClass->type;
  constructibles().insert_or_assign(type, std::move(constructible));
}

const ConstructibleClass* findConstructible(const std::string& type) {
  const auto found = constructibles().find(type);
  return found == constructibles().end() ? nullptr : &found->second;
}

const ActorClass* findConstructibleServing(std::uint64_t interfaceId) {
  for (const auto& [type, each] : constructibles()) {
    if (std::ranges::find(each.actorClass->interfaces, interfaceId) != each.actorClass->interfaces.end())
      return each.actorClass;
  }
  return nullptr;
}

}  // namespace detail
}  // namespace troupe
