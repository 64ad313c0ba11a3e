#include "cli/letters.h"

#include <troupe/error.h>

#include <cstdio>
#include <optional>

#include "cli/decode.h"
#include "cli/failure.h"
#include "cli/table.h"
#include "os/file.h"

namespace troupe::cli {

namespace {

constexpr std::size_t kMostFileBytes = std::size_t{256} << 20;

std::string methodOf(const wire::Letter& letter) {
  return letter.methodName.empty()
             ? "method " + std::to_string(letter.method) + " of " + hex(letter.interfaceId)
             : letter.methodName;
}

std::string sizeOf(const wire::Letter& letter) {
  return letter.lostBodyBytes == 0 ? sizeText(letter.messageBytes)
                                   : sizeText(letter.lostBodyBytes) + ", not kept";
}

void writeHead(Json& json, const wire::Letter& letter) {
  json.field("number", letter.number).field("time", timeText(letter.time)).field("path", letter.path);
  json.field("actor", letter.actor).field("sender", letter.sender).field("senderPath", letter.senderPath);
  json.field("senderGeneration", letter.senderGeneration).field("interface", hex(letter.interfaceId));
  json.field("method", std::uint32_t{letter.method}).field("methodName", letter.methodName);
  json.field("call", letter.call).field("reason", letter.reason.toString());
  json.field("attempts", letter.attempts).field("messageBytes", letter.messageBytes);
  json.field("lostBodyBytes", letter.lostBodyBytes);
}

using ParamsType = std::optional<capnp::StructSchema>;

std::string asText(const wire::Letter& letter, const ParamsType& type) {
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    char label[16];
    std::snprintf(label, sizeof label, "%-9s ", name);
    text += label + plain(value) + "\n";
  };
  line("letter", std::to_string(letter.number));
  line("to", receiverOf(letter) + " (actor " + std::to_string(letter.actor) + ")");
  line("from", senderOf(letter) + " (actor " + std::to_string(letter.sender) + ", generation " +
                   std::to_string(letter.senderGeneration) + ")");
  line("method", methodOf(letter) + (letter.call ? ", a call" : ", a cast") + " (method " +
                     std::to_string(letter.method) + " of interface " + hex(letter.interfaceId) + ")");
  line("time", timeText(letter.time));
  line("reason", letter.reason.toString());
  line("attempts", std::to_string(letter.attempts));
  line("message", sizeText(letter.message.size()));
  if (letter.lostBodyBytes > 0)
    line("body", sizeText(letter.lostBodyBytes) + ", not kept: it did not fit the room for dead letters");
  for (const std::string& actor : actorsIn(letter)) line("refers to", actor);
  return text + (type ? paramsText(letter, *type) + "\n" : hexText(letter.message, "  "));
}

std::string shown(const wire::Letter& letter, const SchemaFiles& schema, const Style& style) {
  std::optional<Schemas> schemas;
  ParamsType type;
  if (!schema.files.empty()) {
    schemas.emplace(schema.files, schema.imports);
    type = schemas->paramsOf(letter.interfaceId, letter.method);
  }
  if (!style.json) return asText(letter, type);
  Json json;
  json.object();
  writeHead(json, letter);
  json.key("parameters");
  if (type) {
    writeParams(json, letter, *type);
  } else {
    json.null();
  }
  return json.field("message", base16(letter.message)).end().text() + "\n";
}

AppLink linkTo(const std::string& app, const Style& style) {
  return AppLink(appCalled(app), style.limit.value_or(kQuestion));
}

std::string done(const Style& style, const char* what, std::uint64_t number, const std::string& sentence) {
  if (!style.json) return sentence + "\n";
  return Json().object().field(what, number).end().text() + "\n";
}

}  // namespace

std::string listLetters(const std::string& app, const Style& style) {
  AppLink link = linkTo(app, style);
  const LetterList list = link.letters();
  if (style.json) {
    Json json;
    json.object().field("app", link.app().app).field("pid", link.app().pid).field("bytes", list.bytes);
    json.field("mostBytes", list.mostBytes).field("stored", list.stored).field("evicted", list.evicted);
    json.key("letters").array();
    for (const wire::Letter& letter : list.letters) {
      json.object();
      writeHead(json, letter);
      json.end();
    }
    return json.end().end().text() + "\n";
  }
  Table table({"LETTER", "TIME", "TO", "FROM", "METHOD", "KIND", "ATTEMPTS", "SIZE", "REASON"}, {0, 6, 7});
  for (const wire::Letter& letter : list.letters) {
    table.add({std::to_string(letter.number), timeText(letter.time), receiverOf(letter), senderOf(letter),
               methodOf(letter), letter.call ? "call" : "cast", std::to_string(letter.attempts),
               sizeOf(letter), letter.reason.toString()});
  }
  return table.text() + std::to_string(list.letters.size()) + " kept (" + sizeText(list.bytes) + " of " +
         sizeText(list.mostBytes) + "), " + std::to_string(list.stored) + " since the app began, " +
         std::to_string(list.evicted) + " dropped for want of room\n";
}

std::string showLetter(const std::string& app, std::uint64_t number, const SchemaFiles& schema,
                       const Style& style) {
  return shown(linkTo(app, style).letter(number), schema, style);
}

std::string showFile(const std::string& file, const SchemaFiles& schema, const Style& style) {
  try {
    return shown(wire::decodeLetter(os::readWholeFile(file, kMostFileBytes)), schema, style);
  } catch (const Error& error) {
    throw Failure(ExitCode::usage, "showing " + file + ": " + error.message());
  }
}

std::string resendLetter(const std::string& app, std::uint64_t number, const Style& style) {
  linkTo(app, style).resend(number);
  return done(style, "resent", number, "letter " + std::to_string(number) + " was sent again");
}

std::string purgeLetters(const std::string& app, std::uint64_t number, const Style& style) {
  const std::uint64_t purged = linkTo(app, style).purge(number);
  return done(style, "purged", purged,
              std::to_string(purged) + (purged == 1 ? " letter" : " letters") + " purged");
}

std::string saveLetter(const std::string& app, std::uint64_t number, const std::string& file,
                       const Style& style) {
  const wire::Letter letter = linkTo(app, style).letter(number);
  try {
    os::writeWholeFile(file, wire::encodeLetter(letter));
  } catch (const Error& error) {
    throw Failure(ExitCode::usage, error.message());
  }
  return done(style, "saved", number, "letter " + std::to_string(number) + " was saved as " + plain(file));
}

}  // namespace troupe::cli
