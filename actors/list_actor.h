// The actor that a list is. All of its state is its items (actors/list_items.h).
#pragma once

#include <troupe/kept_table.h>
#include <troupe/list_client.h>

#include <cstdint>

#include "actors/list_items.h"
#include "schemas/list.actor.h"

namespace troupe::actors {

class ListActor final : public Actor<ListActor, ListProtocol> {
 public:
  ListActor(const ListSpec& spec, std::uint64_t type);

  void init();
  void insert(InsertParams in, InsertResults out);
  void get(GetParams in, GetResults out);
  void set(SetParams in, SetResults out);
  void remove(RemoveParams in, RemoveResults out);
  void page(PageParams in, PageResults out);
  void size(SizeParams in, SizeResults out);
  void clear(ClearParams in, ClearResults out);

 private:
  template <class In>
  bool refuses(const In& in, auto& out) const;
  bool refusesIndex(const char* doing, std::uint64_t at, auto& out) const;

  ListSpec spec_;
  std::uint64_t type_;
  KeptTable table_;
  ListItems items_;
};

}  // namespace troupe::actors
