// The actor that a counter is.
#pragma once

#include <troupe/counter.h>
#include <troupe/kept.h>

#include <cstdint>

#include "schemas/counter.actor.h"

namespace troupe::actors {

class CounterActor final : public Actor<CounterActor, CounterProtocol> {
 public:
  explicit CounterActor(const CounterSpec& spec) : value_(*this, "value", spec.initial) {}

  void get(GetParams in, GetResults out);
  void set(SetParams in, SetResults out);
  void add(AddParams in, AddResults out);
  void compareExchange(CompareExchangeParams in, CompareExchangeResults out);

 private:
  Kept<std::int64_t> value_;
};

}  // namespace troupe::actors
