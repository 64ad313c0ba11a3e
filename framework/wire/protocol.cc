#include <troupe/protocol.h>

#include <troupe/error.h>

#include <capnp/capability.h>
#include <capnp/dynamic.h>

#include <string>

namespace troupe {
namespace {

[[noreturn]] void refuseSize(const std::string& what, std::size_t size, std::size_t limit) {
  throw Error(ErrorKind::invalid, what + " of " + std::to_string(size) +
                                      " bytes is too long for a message, which holds at most " +
                                      std::to_string(limit));
}

void checkValue(const capnp::DynamicValue::Reader& value, capnp::Type type);

void checkStruct(const capnp::DynamicStruct::Reader& value) {
  const auto checkField = [&](capnp::StructSchema::Field field) {
    const bool group = field.getProto().isGroup();
    if (group || value.has(field)) checkValue(value.get(field), field.getType());
  };
  for (const auto field : value.getSchema().getNonUnionFields()) checkField(field);
  KJ_IF_MAYBE (active, value.which()) {
    checkField(*active);
  }
}

// A list of plain values was checked as it was read; it may pretend to 2^29 of them that take no room.
void checkList(const capnp::DynamicList::Reader& list) {
  const auto type = list.getSchema().getElementType();
  if (type.isText() || type.isData() || type.isList() || type.isStruct() || type.isInterface() ||
      type.isAnyPointer()) {
    for (const auto each : list) checkValue(each, type);
  }
}

void checkAnyOf(const capnp::AnyPointer::Reader& value, capnp::Type type) {
  using Kind = capnp::schema::Type::AnyPointer::Unconstrained;
  switch (type.whichAnyPointerKind()) {
    case Kind::STRUCT: return checkAny(value.getAs<capnp::AnyStruct>());
    case Kind::LIST: return checkAny(value.getAs<capnp::AnyList>());
    case Kind::CAPABILITY: return static_cast<void>(value.getAs<capnp::Capability>());
    default: return checkAny(value);
  }
}

void checkValue(const capnp::DynamicValue::Reader& value, capnp::Type type) {
  switch (value.getType()) {
    case capnp::DynamicValue::STRUCT: return checkStruct(value.as<capnp::DynamicStruct>());
    case capnp::DynamicValue::LIST: return checkList(value.as<capnp::DynamicList>());
    case capnp::DynamicValue::ANY_POINTER: return checkAnyOf(value.as<capnp::AnyPointer>(), type);
    default: return;
  }
}

void checkFields(const capnp::AnyStruct::Reader& value) {
  for (const auto pointer : value.getPointerSection()) checkAny(pointer);
}

}  // namespace

namespace detail {

unsigned& CopiedAtOnce::depth() {
  thread_local unsigned depth = 0;
  return depth;
}

}  // namespace detail

void checkAny(const capnp::AnyPointer::Reader& value) {
  if (value.isStruct()) {
    checkFields(value.getAs<capnp::AnyStruct>());
  } else if (value.isList()) {
    checkAny(value.getAs<capnp::AnyList>());
  } else if (value.isCapability()) {
    static_cast<void>(value.getAs<capnp::Capability>());
  }
}

void checkAny(const capnp::AnyStruct::Reader& value) { checkFields(value); }

void checkAny(const capnp::AnyList::Reader& value) {
  if (value.getElementSize() == capnp::ElementSize::POINTER) {
    for (const auto pointer : value.as<capnp::List<capnp::AnyPointer>>()) checkAny(pointer);
  } else if (value.getElementSize() == capnp::ElementSize::INLINE_COMPOSITE) {
    for (const auto each : value.as<capnp::List<capnp::AnyStruct>>()) checkFields(each);
  }
}

void TextArg::refuse(std::size_t size) { refuseSize("a text", size, kMostBytes - 1); }
void DataArg::refuse(std::size_t size) { refuseSize("data", size, kMostBytes); }

template <class Struct>
void checkBySchema(const typename Struct::Reader& value) {
  checkStruct(value);
}
template void checkBySchema<capnp::DynamicStruct>(const capnp::DynamicStruct::Reader& value);

}  // namespace troupe
