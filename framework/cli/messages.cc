#include "cli/messages.h"

#include <capnp/dynamic.h>
#include <capnp/pretty-print.h>
#include <capnp/serialize-text.h>
#include <troupe/error.h>
#include <troupe/spec.h>

#include <algorithm>
#include <cstdio>

#include "cli/decode.h"
#include "cli/failure.h"
#include "cli/protocols.h"
#include "wire/payload.h"
#include "wire/proof.h"

namespace troupe::cli {

namespace {

// Without the place in this program's source that they come with.
std::string textOf(const kj::Exception& exception) { return exception.getDescription().cStr(); }

// The codec begins with the place, in bytes from 0: "8-9: Type mismatch".
std::string faultIn(const std::string& text, const std::string& described) {
  std::size_t from = 0;
  std::size_t to = 0;
  int read = 0;
  if (std::sscanf(described.c_str(), "%zu-%zu: %n", &from, &to, &read) != 2 || read == 0 || to > text.size())
    return described;
  const std::string what = described.substr(static_cast<std::size_t>(read));
  if (from >= text.size()) return "at its end: " + what;
  return "at byte " + std::to_string(from + 1) + ", \"" + text.substr(from, std::max(to, from + 1) - from) +
         "\": " + what;
}

void parse(const Sending& sending, const MethodInfo& method, capnp::DynamicStruct::Builder params) {
  try {
    capnp::TextCodec().decode(sending.params.c_str(), params);
  } catch (const kj::Exception& exception) {
    throw Failure(ExitCode::usage, "the parameters of " + method.name + " can't be \"" + sending.params +
                                       "\": " + faultIn(sending.params, textOf(exception)));
  }
}

void fill(wire::SessionRequest::Sending::Builder to, const ActorLine& actor, const MethodInfo& method,
          const Limit& limit) {
  to.setActor(actor.id);
  to.setPath(actor.path.c_str());
  to.setInterface(method.interfaceId);
  to.setMethod(method.number);
  to.setName(method.name.c_str());
  to.setWithin(limit ? Duration(*limit).count() : kForever.count());
  to.initParams();
}

// One request to one actor.
struct Conversation {
  AppLink app;
  ActorLine actor;
  Protocols protocols;
  const MethodInfo& method;

  Conversation(const Sending& sending, const Limit& limit)
      : app(appCalled(sending.app), limit),
        actor(actorCalled(app, sending.actor)),
        protocols(app, actor),
        method(protocols.method(sending.method)) {}

  wire::ClientLink::Answer send(const Sending& sending, const Limit& limit) const {
    const std::string what = (method.isCast ? "casting " : "calling ") + method.name + " of " + actor.path;
    capnp::MallocMessageBuilder message;
    auto request = message.initRoot<wire::SessionRequest>();
    auto to = method.isCast ? request.initCast() : request.initCall();
    fill(to, actor, method, limit);
    wire::PayloadWriter payload;
    parse(sending, method, payload.content(to.getParams()).initAs<capnp::DynamicStruct>(method.params));
    wire::ClientLink::Answer answer;
    try {
      wire::ClientLink link(app.app(), {.secret = wire::keyOfEnvironment()}, limit);
      answer = link.exchange(message, {.what = what, .limit = limit});
    } catch (const Error& error) {
      throw Failure(error.kind() == ErrorKind::invalid ? ExitCode::refused : ExitCode::noAnswer,
                    error.message());
    }
    try {
      wire::ClientLink::check(answer);
    } catch (const Error& error) {
      throw Failure(ExitCode::refused, error.message());
    }
    return answer;
  }
};

}  // namespace

std::string callActor(const Sending& sending, const Style& style) {
  const Limit limit = style.limit.value_or(kQuestion);
  const Conversation conversation(sending, limit);
  const MethodInfo& method = conversation.method;
  if (method.isCast)
    throw Failure(ExitCode::usage, method.name + " is a cast, and has no results: say troupe cast");
  const auto answer = conversation.send(sending, limit);
  try {
    wire::PayloadReader payload(answer->root<wire::SessionAnswer>().getResults());
    const auto results = payload.content().getAs<capnp::DynamicStruct>(method.results);
    if (!style.json) return std::string(capnp::prettyPrint(results).flatten().cStr()) + "\n";
    Json json;
    writeStruct(json, results);
    return json.text() + "\n";
  } catch (const kj::Exception& exception) {
    throw Failure(ExitCode::noAnswer,
                  "the reply to " + method.name + " can't be read by its schema: " + textOf(exception));
  }
}

std::string castToActor(const Sending& sending, const Style& style) {
  const Limit limit = style.limit.value_or(kQuestion);
  const Conversation conversation(sending, limit);
  const MethodInfo& method = conversation.method;
  if (!method.isCast)
    throw Failure(ExitCode::usage, method.name + " is a call, whose reply is waited for: say troupe call");
  conversation.send(sending, limit);
  const std::string& path = conversation.actor.path;
  if (!style.json) return method.name + " was cast to " + path + "\n";
  return Json().object().field("cast", method.name).field("path", path).end().text() + "\n";
}

}  // namespace troupe::cli
