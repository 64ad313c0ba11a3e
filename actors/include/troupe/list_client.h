// What lists of all types have in common. For <troupe/list.h>, which has what programs use.
#pragma once

#include <troupe/ref.h>
#include <troupe/self.h>
#include <troupe/spec.h>
#include <troupe/task.h>
#include <troupe/value.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

class Group;

struct ListSpec {
  // Of all items, and 16 bytes for each beside its content.
  std::size_t mostBytes = std::size_t{64} << 20;
  ChildSpec child = {.onCrash = OnCrash::retry(3)};
};

struct ListSize {
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;  // that they take
  std::uint64_t mostBytes = 0;
};

namespace detail {

struct HeldItems {
  std::vector<HeldValue> items;
  std::uint64_t size = 0;  // of the list
};

class ListClient : public RefBase {
 public:
  ListClient(RefBase list, std::uint64_t type) : RefBase(std::move(list)), type_(type) {}
  void setDeadline(Duration deadline) { deadline_ = deadline; }

  // No index: at the end.
  Task<std::uint64_t> insert(std::optional<std::uint64_t> at, FillValue fill) const;
  Task<HeldValue> get(std::uint64_t at) const;
  Task<> set(std::uint64_t at, FillValue fill) const;
  Task<HeldValue> remove(std::optional<std::uint64_t> at, bool mayBeEmpty) const;
  Task<HeldItems> page(std::uint64_t from, std::uint32_t most) const;
  Task<ListSize> size() const;
  Task<std::uint64_t> clear() const;

 private:
  std::uint64_t type_;
};

void declareList(Group& group, std::string id, const ListSpec& spec, std::uint64_t type);
ServedProtocol servedByLists();

}  // namespace detail

}  // namespace troupe
