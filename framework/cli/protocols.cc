#include "cli/protocols.h"

#include <algorithm>

#include "cli/failure.h"
#include "wire/flat_message.h"

namespace troupe::cli {

ActorLine actorCalled(AppLink& link, const std::string& name) {
  auto actors = link.actors();
  for (const auto isIt :
       {+[](const ActorLine& actor, const std::string& name) { return actor.path == name; },
        +[](const ActorLine& actor, const std::string& name) { return actor.name == name; },
        +[](const ActorLine& actor, const std::string& name) { return actor.path == "/" + name; }}) {
    const auto found = std::ranges::find_if(actors, [&](const ActorLine& each) { return isIt(each, name); });
    if (found != actors.end() && !name.empty()) return *found;
  }
  throw Failure(ExitCode::refused, "there is no actor " + name + " of " + link.title());
}

Protocols::Protocols(AppLink& link, const ActorLine& actor) : path_(actor.path) {
  try {
    for (const std::uint64_t id : actor.interfaces) {
      for (const auto& bytes : link.schema(id)) {
        const wire::FlatMessage node(bytes, wire::kNestingOfPayloads);
        loader_.load(node.root<capnp::schema::Node>());
      }
      const auto interface = loader_.get(id).asInterface();
      for (const auto method : interface.getMethods()) {
        methods_.push_back({.interfaceId = id,
                            .number = method.getOrdinal(),
                            .name = std::string(interface.getShortDisplayName().cStr()) + "." +
                                    method.getProto().getName().cStr(),
                            .isCast = method.isStreaming(),
                            .params = method.getParamType(),
                            .results = method.getResultType()});
      }
    }
  } catch (const kj::Exception& exception) {
    throw Failure(ExitCode::noAnswer, "the schema that " + link.title() + " gives of " + path_ +
                                          " is malformed: " + exception.getDescription().cStr());
  }
}

const MethodInfo& Protocols::method(const std::string& name) const {
  std::vector<const MethodInfo*> found;
  for (const MethodInfo& each : methods_) {
    if (each.name == name) return each;
    if (each.name.substr(each.name.find('.') + 1) == name) found.push_back(&each);
  }
  if (found.size() == 1) return *found[0];
  if (found.empty())
    throw Failure(ExitCode::usage, path_ + " serves no method " + name + "; it has " + all());
  throw Failure(ExitCode::usage, path_ + " serves several methods " + name + "; say which one: " + all());
}

const MethodInfo* Protocols::method(std::uint64_t interfaceId, std::uint16_t number) const {
  const auto found = std::ranges::find_if(methods_, [&](const MethodInfo& each) {
    return each.interfaceId == interfaceId && each.number == number;
  });
  return found == methods_.end() ? nullptr : &*found;
}

std::string Protocols::all() const {
  std::string text;
  for (const MethodInfo& each : methods_)
    text += (text.empty() ? "" : ", ") + each.name + (each.isCast ? " (a cast)" : "");
  return text.empty() ? "none" : text;
}

}  // namespace troupe::cli
