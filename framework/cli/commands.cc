#include "cli/commands.h"

#include <troupe/spec.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <map>

#include "cli/failure.h"
#include "cli/json.h"
#include "cli/process_usage.h"
#include "cli/table.h"
#include "wire/control_message.h"

namespace troupe::cli {

namespace {

// What a supervisor is asked only to say more about a child that has no process.
constexpr std::chrono::seconds kDetail{2};

struct Actor {
  ActorLine line;
  std::string state;
  std::optional<ProcessUsage> usage;
};

struct App {
  os::ClientSocket socket;
  std::vector<Actor> actors;
};

std::string parentOf(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string pathOf(const std::string& supervisor, const std::string& id) {
  return (supervisor == "/" ? "" : supervisor) + "/" + id;
}

std::string idOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

const char* roleText(std::uint8_t role) {
  constexpr std::array kRoles = {"actor", "worker", "supervisor", "pool"};
  return role < kRoles.size() ? kRoles.at(role) : "?";
}

// What the supervisors say of those that have no process: a stopped one and one that will be started again look the same
// from outside.
void askSupervisors(App& app) {
  std::map<std::string, std::map<std::string, std::string>> states;
  for (Actor& actor : app.actors) {
    if (!actor.state.empty()) continue;
    const std::string parent = parentOf(actor.line.path);
    const auto above =
        std::ranges::find_if(app.actors, [&](const Actor& a) { return a.line.path == parent; });
    actor.state = "down";
    if (above == app.actors.end() || above->line.pid == 0) continue;
    if (!states.contains(parent)) {
      auto& known = states[parent];
      try {
        AppLink link(app.socket, kDetail);
        for (const ChildLine& child : link.children(parent)) known[child.path] = child.state;
      } catch (const Failure&) {
        // It hangs, or has ended meanwhile: then nobody knows more.
      }
    }
    const auto known = states[parent].find(actor.line.path);
    if (known != states[parent].end()) actor.state = known->second;
  }
}

App look(const os::ClientSocket& socket, const Style& style) {
  App app{.socket = socket, .actors = {}};
  AppLink link(socket, style.limit.value_or(kQuestion));
  for (ActorLine& line : link.actors()) {
    Actor actor{.line = std::move(line), .state = {}, .usage = {}};
    if (actor.line.pid != 0) {
      actor.state = actor.line.ready ? "running" : "starting";
      actor.usage = usageOf(actor.line.pid);
    }
    app.actors.push_back(std::move(actor));
  }
  askSupervisors(app);
  return app;
}

std::vector<App> lookAt(const std::string& name, const Style& style) {
  std::vector<App> apps;
  if (!name.empty()) return {look(appCalled(name), style)};
  for (const auto& socket : runningApps()) {
    try {
      apps.push_back(look(socket, style));
    } catch (const Failure& failure) {
      // One that ends just now, or hangs, must not hide the others.
      std::fprintf(stderr, "troupe: %s\n", plain(failure.what()).c_str());
    }
  }
  return apps;
}

std::uint32_t restartsOf(const ActorLine& line) { return line.generation == 0 ? 0 : line.generation - 1; }

void writeFields(Json& json, const Actor& actor) {
  json.field("path", actor.line.path).field("id", actor.line.id).field("role", roleText(actor.line.role));
  json.field("name", actor.line.name).field("state", actor.state).field("pid", actor.line.pid);
  json.field("generation", actor.line.generation).field("restarts", restartsOf(actor.line));
  json.field("waitingBytes", actor.line.waitingBytes);
  json.key("rssBytes");
  actor.usage ? json.value(actor.usage->rssBytes) : json.null();
  json.key("cpuSeconds");
  actor.usage ? json.value(actor.usage->cpuSeconds) : json.null();
}

std::string seconds(double time) {
  std::array<char, 40> text = {};
  std::snprintf(text.data(), text.size(), "%.2f s", time);
  return text.data();
}

// Paths come sorted, but "/a.b" stands between "/a" and "/a/c": children are looked for by their parent.
using Below = std::multimap<std::string, const Actor*>;

Below childrenByParent(const App& app) {
  Below below;
  for (const Actor& actor : app.actors) {
    if (actor.line.path != "/") below.emplace(parentOf(actor.line.path), &actor);
  }
  return below;
}

std::string stateText(const Actor& actor) {
  std::string text = actor.state;
  if (actor.line.pid != 0) text += ", pid " + std::to_string(actor.line.pid);
  const std::uint32_t restarts = restartsOf(actor.line);
  if (restarts != 0) text += ", " + std::to_string(restarts) + (restarts == 1 ? " restart" : " restarts");
  return text;
}

void writeBranch(std::string& text, const Below& below, const std::string& path, const std::string& indent) {
  const auto [first, end] = below.equal_range(path);
  for (auto it = first; it != end; ++it) {
    const Actor& actor = *it->second;
    const bool last = std::next(it) == end;
    text += indent + (last ? "`-- " : "|-- ") + plain(idOf(actor.line.path)) + "  (" +
            (actor.line.role < 2 ? "" : std::string(roleText(actor.line.role)) + ", ") + stateText(actor) +
            ")\n";
    writeBranch(text, below, actor.line.path, indent + (last ? "    " : "|   "));
  }
}

void writeBranch(Json& json, const Below& below, const Actor& actor) {
  json.object();
  writeFields(json, actor);
  json.key("children").array();
  const auto [first, end] = below.equal_range(actor.line.path);
  for (auto it = first; it != end; ++it) writeBranch(json, below, *it->second);
  json.end().end();
}

// The supervisor and the child that are meant.
std::pair<std::string, std::string> childAt(const std::string& path) {
  if (path.size() < 2 || path[0] != '/' || path.back() == '/')
    throw Failure(ExitCode::usage, "\"" + path + "\" is no path of an actor, such as /shop/till");
  return {parentOf(path), idOf(path)};
}

// What its supervisor says of a child; empty where it has none, or nobody can tell.
std::string stateOf(const os::ClientSocket& app, const std::string& supervisor, const std::string& id) {
  try {
    AppLink link(app, kDetail);
    for (const ChildLine& child : link.children(supervisor)) {
      if (child.id == id) return child.state;
    }
  } catch (const Failure&) {
    // What was found out before is said then.
  }
  return {};
}

void stopChild(AppLink& link, const std::string& supervisor, const std::string& id, const Limit& limit) {
  try {
    link.stop(supervisor, id);
  } catch (const Failure& failure) {
    const bool late = limit && failure.code() == ExitCode::noAnswer;
    if (!late || stateOf(link.app(), supervisor, id) != troupe::toString(ChildState::stopping)) throw;
    throw Failure(ExitCode::noAnswer, pathOf(supervisor, id) + " of " + link.title() +
                                          " is still stopping: it has not ended within " + limitText(*limit));
  }
}

bool isTemporary(AppLink& link, const std::string& supervisor, const std::string& id) {
  try {
    return link.isTemporary(supervisor, id);
  } catch (const Failure& failure) {
    if (failure.code() != ExitCode::refused) throw;
    const auto children = link.children(supervisor);
    if (std::ranges::any_of(children, [&](const ChildLine& child) { return child.id == id; })) throw;
    throw Failure(ExitCode::refused,
                  "there is no actor " + pathOf(supervisor, id) + " of " + link.title() + " to restart");
  }
}

std::string said(const Style& style, const char* what, const std::string& app, const std::string& path,
                 int pid) {
  if (style.json) {
    Json json;
    json.object().field("app", app).field(what, path);
    if (pid != 0) json.field("pid", pid);
    return json.end().text() + "\n";
  }
  return path + " of " + app + " " + what + (pid == 0 ? "" : ", pid " + std::to_string(pid)) + "\n";
}

}  // namespace

std::string ps(const std::string& name, const Style& style) {
  const auto apps = lookAt(name, style);
  if (style.json) {
    Json json;
    json.object().key("apps").array();
    for (const App& app : apps) {
      json.object().field("app", app.socket.app).field("pid", app.socket.pid).key("actors").array();
      for (const Actor& actor : app.actors) {
        json.object();
        writeFields(json, actor);
        json.end();
      }
      json.end().end();
    }
    return json.end().end().text() + "\n";
  }
  Table table({"APP", "PATH", "PID", "STATE", "GEN", "RESTARTS", "RSS", "CPU", "WAITING"},
              {2, 4, 5, 6, 7, 8});
  for (const App& app : apps) {
    for (const Actor& actor : app.actors) {
      table.add({app.socket.app, actor.line.path, actor.line.pid == 0 ? "-" : std::to_string(actor.line.pid),
                 actor.state, std::to_string(actor.line.generation), std::to_string(restartsOf(actor.line)),
                 actor.usage ? sizeText(actor.usage->rssBytes) : "-",
                 actor.usage ? seconds(actor.usage->cpuSeconds) : "-", sizeText(actor.line.waitingBytes)});
    }
  }
  return table.text();
}

std::string tree(const std::string& name, const Style& style) {
  const auto apps = lookAt(name, style);
  std::string text;
  Json json;
  json.object().key("apps").array();
  for (const App& app : apps) {
    const Below below = childrenByParent(app);
    text += plain(app.socket.title()) + "\n";
    writeBranch(text, below, "/", "");
    json.object().field("app", app.socket.app).field("pid", app.socket.pid).key("tree");
    writeBranch(json, below, app.actors.front());
    json.end();
  }
  return style.json ? json.end().end().text() + "\n" : text;
}

std::string stop(const std::string& app, const std::string& path, const Style& style) {
  AppLink link(appCalled(app), style.limit);
  if (path.empty() || path == "/") {
    link.stopApp();
    link.waitForEnd();
    return said(style, "stopped", link.title(), "/", 0);
  }
  const auto [supervisor, id] = childAt(path);
  stopChild(link, supervisor, id, style.limit);
  return said(style, "stopped", link.title(), path, 0);
}

std::string restart(const std::string& app, const std::string& path, const Style& style) {
  const auto [supervisor, id] = childAt(path);
  AppLink link(appCalled(app), style.limit);
  if (id.find(':') != std::string::npos || isTemporary(link, supervisor, id)) {
    throw Failure(ExitCode::refused,
                  path + " of " + link.title() +
                      " can't be restarted: it is temporary or an instance of a template, and "
                      "goes for good when it stops");
  }
  stopChild(link, supervisor, id, style.limit);
  return said(style, "restarted", link.title(), path, link.restart(supervisor, id));
}

std::string upgrade(const std::string& app, const std::string& path, const std::string& image,
                    const Style& style) {
  const auto [supervisor, id] = childAt(path);
  AppLink link(appCalled(app), style.limit);
  // The app may have another working directory.
  const std::string file = std::filesystem::absolute(image);
  return said(style, "upgraded", link.title(), path, link.upgrade(supervisor, id, file));
}

}  // namespace troupe::cli
