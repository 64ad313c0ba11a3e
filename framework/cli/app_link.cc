#include "cli/app_link.h"

#include <troupe/error.h>
#include <troupe/spec.h>

#include <cerrno>

#include "cli/failure.h"
#include "os/channel.h"
#include "wire/client_link.h"
#include "wire/control_message.h"
#include "wire/proof.h"
#include "wire/reason_codec.h"

namespace troupe::cli {

namespace {

// That it can't be attached to.
Failure failureOf(const Error& error) {
  const bool silent = error.kind() == ErrorKind::gone || error.kind() == ErrorKind::timedOut;
  return {silent ? ExitCode::noAnswer : ExitCode::noApp, error.message()};
}

// What the app refuses to do is the app's word; what the system refuses, this command's.
[[noreturn]] void refused(const Error& error) { throw Failure(ExitCode::refused, error.message()); }

ActorLine lineOf(wire::ActorData::Reader actor) {
  std::vector<std::uint64_t> interfaces;
  for (const auto each : actor.getInterfaces()) interfaces.push_back(each);
  return {.path = wire::toString(actor.getPath()),
          .name = wire::toString(actor.getName()),
          .id = actor.getId(),
          .role = actor.getRole(),
          .pid = actor.getPid(),
          .ready = actor.getReady(),
          .generation = actor.getGeneration(),
          .waitingBytes = actor.getWaitingBytes(),
          .interfaces = std::move(interfaces)};
}

}  // namespace

std::vector<os::ClientSocket> runningApps() {
  try {
    return os::clientSockets(os::clientFolder());
  } catch (const Error& error) {
    throw Failure(ExitCode::noApp, error.message());
  }
}

os::ClientSocket appCalled(const std::string& name) {
  try {
    return os::clientSocketCalled(name);
  } catch (const Error& error) {
    throw Failure(ExitCode::noApp, error.message());
  }
}

AppLink::AppLink(os::ClientSocket app, Limit limit) : app_(std::move(app)), limit_(limit) {
  try {
    connection_ = wire::attachTo(app_, {.secret = wire::keyOfEnvironment()}, limit_);
  } catch (const Error& error) {
    throw failureOf(error);
  }
}

void AppLink::ended() const { throw Failure(ExitCode::noAnswer, "the app " + title() + " has ended"); }

AppLink::Answer AppLink::receive(const char* late) {
  os::ChannelMessage message;
  const auto until = std::chrono::steady_clock::now() + limit_.value_or(std::chrono::milliseconds(0));
  for (;;) {
    const os::ChannelState state = os::receiveFrom(connection_.get(), message);
    if (state == os::ChannelState::done) {
      beside_ = std::move(message.descriptors);
      return std::make_unique<wire::FlatMessage>(message.bytes);
    }
    if (state == os::ChannelState::closed) return nullptr;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (limit_ && left.count() <= 0) {
      throw Failure(ExitCode::noAnswer, "the app " + title() + " " + late + " within " + limitText(*limit_));
    }
    os::waitReadable(connection_.get(), limit_ ? left : std::chrono::milliseconds(-1));
  }
}

AppLink::Answer AppLink::ask(const Fill& fill) {
  capnp::MallocMessageBuilder message;
  fill(message.initRoot<wire::ClientRequest>());
  try {
    os::sendOn(connection_.get(), wire::flatBytes(message));
    auto answer = receive();
    if (!answer) ended();
    const auto root = answer->root<wire::ClientAnswer>();
    if (root.isFailed()) {
      const Error why = wire::read(root.getFailed());
      // It has a key that was not given.
      if (why.kind() == ErrorKind::refused) throw Failure(ExitCode::noApp, title() + ": " + why.message());
      refused(why);
    }
    return answer;
  } catch (const kj::Exception& exception) {
    throw Failure(ExitCode::noAnswer,
                  "the answer of " + title() + " is malformed: " + exception.getDescription().cStr());
  } catch (const Error& error) {
    throw Failure(ExitCode::noAnswer, "asking " + title() + ": " + error.message());
  }
}

wire::Managed::Reader AppLink::managed(const Answer& answer) const {
  const auto managed = answer->root<wire::ClientAnswer>().getManaged();
  if (managed.isFailed()) refused(wire::read(managed.getFailed()));
  return managed;
}

std::vector<ActorLine> AppLink::actors() {
  std::vector<ActorLine> all{{.path = "/",
                              .role = static_cast<std::uint8_t>(wire::Role::supervisor),
                              .pid = app_.pid,
                              .ready = true,
                              .generation = 1}};
  std::string last;
  for (bool more = true; more;) {
    const auto answer = ask([&](wire::ClientRequest::Builder request) { request.setActors(last.c_str()); });
    const auto actors = answer->root<wire::ClientAnswer>().getActors();
    for (const auto actor : actors.getList()) all.push_back(lineOf(actor));
    more = actors.getMore() && actors.getList().size() > 0;
    last = all.back().path;
  }
  return all;
}

std::vector<ChildLine> AppLink::children(const std::string& supervisor) {
  std::vector<ChildLine> children;
  for (bool more = true; more;) {
    const auto answer = ask([&](wire::ClientRequest::Builder request) {
      auto list = request.initManage();
      list.setSupervisor(supervisor.c_str());
      list.setList();
      list.setFrom(static_cast<std::uint32_t>(children.size()));
      if (!children.empty()) list.setAfter(children.back().id.c_str());
    });
    const auto part = managed(answer);
    if (!part.isChildren()) break;
    for (const auto child : part.getChildren()) {
      children.push_back({.id = wire::toString(child.getId()),
                          .path = wire::toString(child.getPath()),
                          .state = toString(static_cast<ChildState>(child.getState()))});
    }
    more = part.getMore() && part.getChildren().size() > 0;
  }
  return children;
}

bool AppLink::isTemporary(const std::string& supervisor, const std::string& id) {
  const auto answer = ask([&](wire::ClientRequest::Builder request) {
    request.initManage().setSupervisor(supervisor.c_str());
    request.getManage().setSpec(id.c_str());
  });
  const auto spec = managed(answer);
  return spec.isSpec() && spec.getSpec().getRestart() == static_cast<std::uint8_t>(Restart::temporary);
}

void AppLink::stopApp() {
  ask([](wire::ClientRequest::Builder request) { request.setStopApp(); });
}

void AppLink::waitForEnd() {
  while (receive("is still stopping: it has not ended")) {}
}

void AppLink::stop(const std::string& supervisor, const std::string& id) {
  managed(ask([&](wire::ClientRequest::Builder request) {
    request.initManage().setSupervisor(supervisor.c_str());
    request.getManage().setStop(id.c_str());
  }));
}

int AppLink::restart(const std::string& supervisor, const std::string& id) {
  const auto answer = ask([&](wire::ClientRequest::Builder request) {
    request.initManage().setSupervisor(supervisor.c_str());
    request.getManage().setRestart(id.c_str());
  });
  const auto result = managed(answer);
  return result.isStarted() ? result.getStarted().getPid() : 0;
}

int AppLink::upgrade(const std::string& supervisor, const std::string& id, const std::string& image) {
  const auto answer = ask([&](wire::ClientRequest::Builder request) {
    request.initManage().setSupervisor(supervisor.c_str());
    auto upgrade = request.getManage().initUpgrade();
    upgrade.setId(id.c_str());
    upgrade.setImage(image.c_str());
  });
  return managed(answer).getStarted().getPid();
}

LetterList AppLink::letters() {
  LetterList list;
  std::uint64_t last = 0;
  for (bool more = true; more;) {
    const auto answer = ask([&](wire::ClientRequest::Builder request) { request.setLetters(last); });
    const auto letters = answer->root<wire::ClientAnswer>().getLetters();
    for (const auto letter : letters.getList()) list.letters.push_back(wire::read(letter));
    list.bytes = letters.getBytes();
    list.mostBytes = letters.getMostBytes();
    list.stored = letters.getStored();
    list.evicted = letters.getEvicted();
    more = letters.getMore() && letters.getList().size() > 0;
    if (more) last = list.letters.back().number;
  }
  return list;
}

wire::Letter AppLink::letter(std::uint64_t number) {
  wire::Letter whole;
  std::uint64_t bytes = 0;
  do {
    const auto answer = ask([&](wire::ClientRequest::Builder request) {
      request.initLetter().setNumber(number);
      request.getLetter().setOffset(whole.message.size());
    });
    const auto part = answer->root<wire::ClientAnswer>().getLetter();
    wire::Letter read = wire::read(part.getLetter());
    bytes = read.message.empty() ? 0 : part.getMessageBytes();
    whole.message.insert(whole.message.end(), read.message.begin(), read.message.end());
    read.message = std::move(whole.message);
    whole = std::move(read);
  } while (whole.message.size() < bytes);
  return whole;
}

void AppLink::resend(std::uint64_t number) {
  ask([&](wire::ClientRequest::Builder request) { request.setResend(number); });
}

std::uint64_t AppLink::purge(std::uint64_t number) {
  const auto answer = ask([&](wire::ClientRequest::Builder request) { request.setPurge(number); });
  return answer->root<wire::ClientAnswer>().getPurged();
}

std::vector<std::vector<std::byte>> AppLink::schema(std::uint64_t interfaceId) {
  std::vector<std::vector<std::byte>> nodes;
  for (bool more = true; more;) {
    const auto answer = ask([&](wire::ClientRequest::Builder request) {
      request.initSchema().setInterface(interfaceId);
      request.getSchema().setFrom(static_cast<std::uint32_t>(nodes.size()));
    });
    const auto part = answer->root<wire::ClientAnswer>().getSchema();
    for (const auto node : part.getNodes()) {
      const auto bytes = std::as_bytes(std::span(node.begin(), node.size()));
      nodes.emplace_back(bytes.begin(), bytes.end());
    }
    more = part.getMore() && part.getNodes().size() > 0;
  }
  return nodes;
}

os::Fd AppLink::tap(const std::string& path) {
  const auto answer = ask([&](wire::ClientRequest::Builder request) { request.setTap(path.c_str()); });
  if (beside_.empty()) return {};
  return std::move(beside_[0]);
}

void AppLink::waitForNews(std::chrono::milliseconds limit) { os::waitReadable(connection_.get(), limit); }

}  // namespace troupe::cli
