#include "cli/decode.h"

#include <capnp/pretty-print.h>
#include <kj/filesystem.h>

#include <cstdio>

#include "cli/failure.h"
#include "cli/table.h"
#include "wire/flat_message.h"
#include "wire/message.h"
#include "wire/reference.h"

namespace troupe::cli {

std::string hex(std::uint64_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%016llx", static_cast<unsigned long long>(number));
  return text;
}

namespace {

// The interface itself, or one that it extends.
std::optional<capnp::InterfaceSchema> among(capnp::InterfaceSchema interface, std::uint64_t id) {
  if (interface.getProto().getId() == id) return interface;
  for (const auto above : interface.getSuperclasses()) {
    if (const auto found = among(above, id)) return found;
  }
  return std::nullopt;
}

std::optional<capnp::InterfaceSchema> findIn(const capnp::ParsedSchema& schema, std::uint64_t id) {
  if (schema.getProto().isInterface()) {
    if (const auto found = among(schema.asInterface(), id)) return found;
  }
  for (const auto nested : schema.getAllNested()) {
    if (const auto found = findIn(nested, id)) return found;
  }
  return std::nullopt;
}

void write(Json& json, const capnp::DynamicValue::Reader& value);

void write(Json& json, const capnp::DynamicStruct::Reader& value) {
  json.object();
  const auto field = [&](capnp::StructSchema::Field each) {
    json.key(each.getProto().getName().cStr());
    write(json, value.get(each));
  };
  for (const auto each : value.getSchema().getNonUnionFields()) {
    if (each.getProto().isGroup() || value.has(each)) field(each);
  }
  KJ_IF_MAYBE (active, value.which()) {
    field(*active);
  }
  json.end();
}

void write(Json& json, capnp::DynamicCapability::Client value) {
  const auto address = wire::addressOf(capnp::Capability::Client(value));
  if (!address || address->id == 0) {
    json.null();
    return;
  }
  json.object().field("actor", address->id).field("path", address->path).end();
}

void write(Json& json, const capnp::DynamicEnum& value) {
  KJ_IF_MAYBE (known, value.getEnumerant()) {
    json.value(known->getProto().getName().cStr());
  } else {
    json.value(std::uint32_t{value.getRaw()});
  }
}

void write(Json& json, const capnp::DynamicValue::Reader& value) {
  switch (value.getType()) {
    case capnp::DynamicValue::BOOL: json.value(value.as<bool>()); return;
    case capnp::DynamicValue::INT: json.value(value.as<std::int64_t>()); return;
    case capnp::DynamicValue::UINT: json.value(value.as<std::uint64_t>()); return;
    case capnp::DynamicValue::FLOAT: json.value(value.as<double>()); return;
    case capnp::DynamicValue::TEXT: {
      const auto text = value.as<capnp::Text>();
      json.value(std::string_view(text.begin(), text.size()));
      return;
    }
    case capnp::DynamicValue::DATA: {
      const auto data = value.as<capnp::Data>();
      json.value(base16(std::as_bytes(std::span(data.begin(), data.size()))));
      return;
    }
    case capnp::DynamicValue::LIST:
      json.array();
      for (const auto each : value.as<capnp::DynamicList>()) write(json, each);
      json.end();
      return;
    case capnp::DynamicValue::ENUM: return write(json, value.as<capnp::DynamicEnum>());
    case capnp::DynamicValue::STRUCT: return write(json, value.as<capnp::DynamicStruct>());
    case capnp::DynamicValue::CAPABILITY: return write(json, value.as<capnp::DynamicCapability>());
    default: json.null(); return;
  }
}

template <class Use>
void withParams(const wire::Letter& letter, capnp::StructSchema type, Use use) {
  try {
    const auto words = wire::wordsOf(letter.message);
    const wire::IncomingMessage message({words.begin(), words.size()});
    use(message.checkedBody().getAs<capnp::DynamicStruct>(type));
  } catch (const kj::Exception& exception) {
    throw Failure(ExitCode::refused,
                  "the message of dead letter " + std::to_string(letter.number) +
                      " can't be read by the schema: " + exception.getDescription().cStr());
  }
}

}  // namespace

Schemas::Schemas(const std::vector<std::string>& files, const std::vector<std::string>& imports) {
  const auto disk = kj::newDiskFilesystem();
  std::vector<kj::Own<const kj::ReadableDirectory>> folders;
  std::vector<const kj::ReadableDirectory*> searched;
  std::vector<std::string> all = imports;
  all.insert(all.end(), {"/usr/local/include", "/usr/include"});
  try {
    for (const std::string& folder : all) {
      auto found = disk->getRoot().tryOpenSubdir(disk->getCurrentPath().evalNative(folder.c_str()));
      KJ_IF_MAYBE (there, found) {
        searched.push_back(there->get());
        folders.push_back(kj::mv(*there));
      }
    }
    for (const std::string& file : files) {
      files_.push_back(parser_.parseFromDirectory(disk->getRoot(),
                                                  disk->getCurrentPath().evalNative(file.c_str()),
                                                  kj::arrayPtr(searched.data(), searched.size())));
    }
  } catch (const kj::Exception& exception) {
    throw Failure(ExitCode::usage, std::string("the schema can't be used: ") + exception.getFile() + ": " +
                                       exception.getDescription().cStr());
  }
}

capnp::InterfaceSchema::Method Schemas::find(std::uint64_t interfaceId, std::uint16_t method) const {
  for (const auto& file : files_) {
    const auto interface = findIn(file, interfaceId);
    if (!interface) continue;
    if (method < interface->getMethods().size()) return interface->getMethods()[method];
    throw Failure(ExitCode::refused, "the interface " + std::string(interface->getShortDisplayName().cStr()) +
                                         " of the schema has no method " + std::to_string(method));
  }
  throw Failure(ExitCode::refused, "the schema has no interface " + hex(interfaceId));
}

capnp::StructSchema Schemas::paramsOf(std::uint64_t interfaceId, std::uint16_t method) const {
  return find(interfaceId, method).getParamType();
}

std::string Schemas::methodName(std::uint64_t interfaceId, std::uint16_t method) const {
  const auto found = find(interfaceId, method);
  return std::string(found.getContainingInterface().getShortDisplayName().cStr()) + "." +
         found.getProto().getName().cStr();
}

std::vector<std::string> actorsIn(const wire::Letter& letter) {
  std::vector<std::string> actors;
  try {
    const auto words = wire::wordsOf(letter.message);
    const wire::IncomingMessage message({words.begin(), words.size()});
    for (const auto reference : message.envelope().getReferences()) {
      const std::string path(reference.getPath().cStr(), reference.getPath().size());
      actors.push_back(path + " (actor " + std::to_string(reference.getActor()) + ")");
    }
  } catch (const kj::Exception&) {
    // A malformed message is shown as bytes.
  }
  return actors;
}

std::string paramsText(const wire::Letter& letter, capnp::StructSchema type) {
  std::string text;
  withParams(letter, type, [&](const capnp::DynamicStruct::Reader& params) {
    text = capnp::prettyPrint(params).flatten().cStr();
  });
  return text;
}

void writeStruct(Json& json, const capnp::DynamicStruct::Reader& value) { write(json, value); }

void writeParams(Json& json, const wire::Letter& letter, capnp::StructSchema type) {
  withParams(letter, type, [&](const capnp::DynamicStruct::Reader& params) { write(json, params); });
}

}  // namespace troupe::cli
