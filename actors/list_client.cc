// The side of a list that its users see. What is called does not refer to the List, which may be gone when it is awaited.
#include <troupe/list_client.h>

#include <memory>
#include <utility>

#include "schemas/list.actor.h"

namespace troupe::detail {

namespace {

using ListRef = Ref<actors::ListProtocol>;
using actors::ListProtocol;

Task<std::uint64_t> insertedInto(ListRef list, std::uint64_t type, std::optional<std::uint64_t> at,
                                 FillValue fill) {
  auto call = list.insert([&](ListProtocol::InsertParams::Builder params) {
    params.setAt(at.value_or(0));
    params.setAtEnd(!at);
    params.setType(type);
    fill(params.getValue());
  });
  const auto reply = co_await call;
  co_return reply->getAt();
}

Task<HeldValue> itemAt(ListRef list, std::uint64_t type, std::uint64_t at) {
  auto call = list.get(at, type);
  auto reply = std::make_shared<Reply<ListProtocol::GetResults>>(co_await call);
  co_return HeldValue{.reply = reply, .value = (*reply)->getValue()};
}

Task<> setAt(ListRef list, std::uint64_t type, std::uint64_t at, FillValue fill) {
  auto call = list.set([&](ListProtocol::SetParams::Builder params) {
    params.setAt(at);
    params.setType(type);
    fill(params.getValue());
  });
  co_await call;
}

Task<HeldValue> removedFrom(ListRef list, std::uint64_t type, std::optional<std::uint64_t> at,
                            bool mayBeEmpty) {
  auto call = list.remove(at.value_or(0), !at, mayBeEmpty, type);
  auto reply = std::make_shared<Reply<ListProtocol::RemoveResults>>(co_await call);
  if ((*reply)->getEmpty()) co_return HeldValue{};
  co_return HeldValue{.reply = reply, .value = (*reply)->getValue()};
}

Task<HeldItems> itemsFrom(ListRef list, std::uint64_t type, std::uint64_t from, std::uint32_t most) {
  auto call = list.page(from, most, type);
  auto reply = std::make_shared<Reply<ListProtocol::PageResults>>(co_await call);
  HeldItems page{.items = {}, .size = (*reply)->getSize()};
  for (const auto item : (*reply)->getItems())
    page.items.push_back({.reply = reply, .value = item.getValue()});
  co_return page;
}

Task<ListSize> sizeOf(ListRef list) {
  const auto reply = co_await list.size();
  co_return ListSize{
      .items = reply->getItems(), .bytes = reply->getBytes(), .mostBytes = reply->getMostBytes()};
}

Task<std::uint64_t> cleared(ListRef list) {
  const auto reply = co_await list.clear();
  co_return reply->getItems();
}

}  // namespace

Task<std::uint64_t> ListClient::insert(std::optional<std::uint64_t> at, FillValue fill) const {
  return insertedInto(ListRef(*this), type_, at, std::move(fill));
}

Task<HeldValue> ListClient::get(std::uint64_t at) const { return itemAt(ListRef(*this), type_, at); }

Task<> ListClient::set(std::uint64_t at, FillValue fill) const {
  return setAt(ListRef(*this), type_, at, std::move(fill));
}

Task<HeldValue> ListClient::remove(std::optional<std::uint64_t> at, bool mayBeEmpty) const {
  return removedFrom(ListRef(*this), type_, at, mayBeEmpty);
}

Task<HeldItems> ListClient::page(std::uint64_t from, std::uint32_t most) const {
  return itemsFrom(ListRef(*this), type_, from, most);
}

Task<ListSize> ListClient::size() const { return sizeOf(ListRef(*this)); }

Task<std::uint64_t> ListClient::clear() const { return cleared(ListRef(*this)); }

ServedProtocol servedByLists() { return {Protocol<ListProtocol>::kId, Protocol<ListProtocol>::kName}; }

}  // namespace troupe::detail
