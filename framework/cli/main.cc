// troupe: looks at running apps of this user and acts on them.
#include <kj/exception.h>
#include <troupe/error.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <cstdlib>
#include <functional>

#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/letters.h"
#include "cli/messages.h"
#include "cli/table.h"

namespace {

using namespace troupe::cli;

constexpr const char* kFooter =
    "APP is an app's name, or name.pid where several have that name; PATH is an actor's, such as /shop/till.\n"
    "An app that has a key wants it in $TROUPE_KEY, or in the file $TROUPE_KEY_FILE.\n"
    "Apps are found in $TROUPE_RUNTIME_DIR, or $XDG_RUNTIME_DIR/troupe, or /tmp/troupe-<uid>.\n\n"
    "Exit codes: 0 done; 1 the app could not do it, as it says; 2 wrong usage, or a file that can't be used;\n"
    "3 no such app, several of that name, or no permission; 4 the app has ended meanwhile, or does not answer.";

// What the command line asks for.
struct Order {
  Style style;
  double seconds = 0;
  std::string app;
  std::string path;
  std::string file;
  std::string image;
  std::uint64_t number = 0;
  Sending sending = {.app = {}, .actor = {}, .method = {}, .params = "()"};
  std::uint64_t count = 0;
  SchemaFiles schema;
  std::function<std::string()> run;
};

// Whole milliseconds are counted; the largest number is some 30 years.
std::string checkSeconds(const std::string& text) {
  char* end = nullptr;
  const double seconds = std::strtod(text.c_str(), &end);
  if (*end == '\0' && seconds >= 0.001 && seconds <= 1e9) return {};
  return text + " is no number of seconds from 0.001 to 1000000000";
}

void addLetterCommands(CLI::App& letters, Order& order) {
  letters.require_subcommand(0, 1);
  letters.callback([&] {
    if (!order.run) order.run = [&] { return listLetters(order.app, order.style); };
  });
  const auto add = [&](const char* name, const char* what, std::function<std::string()> run) {
    CLI::App* const command = letters.add_subcommand(name, what);
    command->callback([&order, run = std::move(run)] { order.run = run; });
    return command;
  };
  const auto numbered = [&](CLI::App* command, bool required = true) {
    auto* const option = command->add_option("NUMBER", order.number, "the letter's number, from 1");
    option->check(CLI::Range(std::uint64_t{1}, ~std::uint64_t{0}));
    option->required(required);
    return command;
  };
  add("list", "all letters that are kept (also where nothing is said)",
      [&] { return listLetters(order.app, order.style); });
  CLI::App* const show = numbered(add("show", "one letter, its parameters decoded by schema", [&] {
    return showLetter(order.app, order.number, order.schema, order.style);
  }));
  show->add_option("--schema", order.schema.files, "schema files (.capnp) that have its interface");
  show->add_option("-I,--import-path", order.schema.imports, "folders in which they look for imports");
  numbered(add("resend", "puts it into its actor's mailbox again, as a cast, and takes it from the store",
               [&] { return resendLetter(order.app, order.number, order.style); }));
  numbered(add("purge", "drops one letter, or all",
               [&] { return purgeLetters(order.app, order.number, order.style); }),
           false);
  CLI::App* const save = numbered(add("save", "saves it as a file, for PROGRAM --troupe-replay FILE", [&] {
    return saveLetter(order.app, order.number, order.file, order.style);
  }));
  save->add_option("FILE", order.file)->required();
}

template <class Add>
void addMessageCommands(const Add& add, Order& order) {
  const auto toActor = [&](CLI::App* command) {
    command->add_option("ACTOR", order.sending.actor, "its path, or its name")->required();
    return command;
  };
  const auto sends = [&](const char* name, const char* what, auto send) {
    CLI::App* const command = toActor(add(name, what, true, [&order, send] {
      order.sending.app = order.app;
      return send(order.sending, order.style);
    }));
    command->add_option("METHOD", order.sending.method)->required();
    command->add_option("PARAMETERS", order.sending.params, "such as '(name = \"Ada\", age = 36)'");
  };
  sends("call", "calls a method of an actor, and prints the results", callActor);
  sends("cast", "casts to a method of an actor", castToActor);
  toActor(add("tap", "prints the messages that an actor gets, as it gets them", true, [&order] {
    return tapActor(order.app, order.sending.actor, order.count, order.style);
  }))->add_option("--count", order.count, "ends when so many were printed");
}

void addCommands(CLI::App& app, Order& order) {
  app.fallthrough();
  app.footer(kFooter);
  app.add_flag("--json", order.style.json, "print one JSON document");
  app.add_option("--timeout", order.seconds,
                 "seconds to wait for an answer (default: 10; stop and restart: as long as it takes)")
      ->check(checkSeconds);
  const auto add = [&](const char* name, const char* what, bool needsApp, std::function<std::string()> run) {
    CLI::App* const command = app.add_subcommand(name, what);
    command->add_option("APP", order.app)->required(needsApp);
    if (run) command->callback([&order, run = std::move(run)] { order.run = run; });
    return command;
  };
  add("ps", "actors and what they use", false, [&] { return ps(order.app, order.style); });
  add("tree", "actors below their supervisors", false, [&] { return tree(order.app, order.style); });
  add("stop", "stops an actor, or the whole app, and waits for the end", true, [&] {
    return stop(order.app, order.path, order.style);
  })->add_option("PATH", order.path);
  CLI::App* const again = add("restart", "stops an actor if it runs, and starts it", true, [&] {
    return order.image.empty() ? restart(order.app, order.path, order.style)
                               : upgrade(order.app, order.path, order.image, order.style);
  });
  again->add_option("PATH", order.path)->required();
  again
      ->add_option("--image", order.image,
                   "replaces it by a process of this newer program instead, with no message lost")
      ->check(CLI::ExistingFile);
  addMessageCommands(add, order);
  addLetterCommands(*add("dead-letters", "messages that were in hand when a process died", true, {}), order);
  CLI::App* const file = app.add_subcommand("letter", "shows a dead letter that was saved as a file");
  file->add_option("FILE", order.file)->required();
  file->add_option("--schema", order.schema.files, "schema files (.capnp) that have its interface");
  file->add_option("-I,--import-path", order.schema.imports, "folders in which they look for imports");
  file->callback([&] { order.run = [&] { return showFile(order.file, order.schema, order.style); }; });
}

int fail(ExitCode code, const std::string& text) {
  std::fprintf(stderr, "troupe: %s\n", plain(text).c_str());
  return static_cast<int>(code);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Looks at running apps and acts on them.", "troupe");
  Order order;
  addCommands(app, order);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::usage);
  }
  if (!order.run) return fail(ExitCode::usage, "nothing to do was said: see troupe --help");
  if (order.seconds > 0)
    order.style.limit = std::chrono::milliseconds(static_cast<std::int64_t>(order.seconds * 1000));
  try {
    const std::string text = order.run();
    std::fwrite(text.data(), 1, text.size(), stdout);
    if (std::fflush(stdout) != 0) return fail(ExitCode::usage, "the output can't be written");
    return 0;
  } catch (const Failure& failure) {
    return fail(failure.code(), failure.what());
  } catch (const kj::Exception& exception) {
    return fail(ExitCode::noAnswer,
                std::string("an answer is malformed: ") + exception.getDescription().cStr());
  } catch (const std::exception& exception) {
    return fail(ExitCode::refused, exception.what());
  }
}
