#include "actors/list_actor.h"

#include <troupe/app.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "actors/holding.h"
#include "actors/kept_message.h"

namespace troupe::actors {

ListActor::ListActor(const ListSpec& spec, std::uint64_t type)
    : spec_(spec), type_(type), table_(*this, spec.mostBytes), items_(table_, spec.mostBytes) {}

void ListActor::init() {
  table_.forEach([this](std::uint64_t number, std::span<const std::byte>) { items_.load(number); });
}

template <class In>
bool ListActor::refuses(const In& in, auto& out) const {
  if (in.getType() != type_) {
    out.refuse(otherType("list"));
    return true;
  }
  return false;
}

bool ListActor::refusesIndex(const char* doing, std::uint64_t at, auto& out) const {
  if (at < items_.size()) return false;
  out.refuse(std::string(doing) + " index " + std::to_string(at) + " of a list of " +
             std::to_string(items_.size()) + " items");
  return true;
}

void ListActor::insert(InsertParams in, InsertResults out) {
  if (refuses(in, out)) return;
  const std::uint64_t at = in.getAtEnd() ? items_.size() : in.getAt();
  if (at > items_.size() && refusesIndex("inserting at", at, out)) return;
  const GivenValue value(in.getValue(), "list");
  if (!value.refused().empty()) return out.refuse(value.refused());
  const auto bytes = value.bytes();
  if (!items_.hasRoom(bytes.size())) return out.refuse(noRoom(bytes.size(), items_.bytes(), spec_.mostBytes));
  items_.insert(at, bytes);
  out.setAt(at);
}

void ListActor::get(GetParams in, GetResults out) {
  if (refuses(in, out) || refusesIndex("getting", in.getAt(), out)) return;
  withValue(items_[in.getAt()], [&](capnp::AnyPointer::Reader value) { out.getValue().set(value); });
}

void ListActor::set(SetParams in, SetResults out) {
  if (refuses(in, out) || refusesIndex("setting", in.getAt(), out)) return;
  const GivenValue value(in.getValue(), "list");
  if (!value.refused().empty()) return out.refuse(value.refused());
  const auto bytes = value.bytes();
  if (!items_.hasRoom(bytes.size(), in.getAt()))
    return out.refuse(noRoom(bytes.size(), items_.bytes(), spec_.mostBytes));
  items_.set(in.getAt(), bytes);
}

void ListActor::remove(RemoveParams in, RemoveResults out) {
  if (refuses(in, out)) return;
  if (in.getMayBeEmpty() && items_.size() == 0) return out.setEmpty(true);
  const std::uint64_t at = in.getAtEnd() && items_.size() > 0 ? items_.size() - 1 : in.getAt();
  if (refusesIndex("removing", at, out)) return;
  withValue(items_[at], [&](capnp::AnyPointer::Reader value) { out.getValue().set(value); });
  items_.erase(at);
}

void ListActor::page(PageParams in, PageResults out) {
  if (refuses(in, out)) return;
  out.setSize(items_.size());
  const std::uint64_t from = std::min<std::uint64_t>(in.getFrom(), items_.size());
  unsigned count = 0;
  for (std::size_t bytes = 0; from + count < items_.size() && count < std::max(in.getMost(), 1U); ++count) {
    bytes += items_[from + count].size();
    if (count > 0 && bytes > kPageBytes) break;
  }
  auto list = out.initItems(count);
  for (unsigned i = 0; i < count; ++i) {
    withValue(items_[from + i], [&](capnp::AnyPointer::Reader value) { list[i].getValue().set(value); });
  }
}

void ListActor::size(SizeParams, SizeResults out) {
  out.setItems(items_.size());
  out.setBytes(items_.bytes());
  out.setMostBytes(spec_.mostBytes);
}

void ListActor::clear(ClearParams, ClearResults out) {
  out.setItems(items_.size());
  items_.clear();
}

}  // namespace troupe::actors

namespace troupe::detail {

void declareList(Group& group, std::string id, const ListSpec& spec, std::uint64_t type) {
  if (spec.mostBytes == 0)
    throw Error(ErrorKind::invalid, "the list \"" + id + "\": room for 0 bytes, and an item needs some");
  group.child<actors::ListActor>(std::move(id), actors::mayAnswer(spec.child, spec.mostBytes), spec, type);
}

}  // namespace troupe::detail
