#include "actors/counter_actor.h"

#include <string>

namespace troupe::actors {

void CounterActor::get(GetParams, GetResults out) { out.setValue(*value_); }

void CounterActor::set(SetParams in, SetResults) { value_ = in.getValue(); }

void CounterActor::add(AddParams in, AddResults out) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(*value_, in.getBy(), &sum))
    return out.refuse("adding " + std::to_string(in.getBy()) + " to " + std::to_string(*value_) +
                      " exceeds what 64 bits hold");
  value_ = sum;
  out.setValue(sum);
}

void CounterActor::compareExchange(CompareExchangeParams in, CompareExchangeResults out) {
  if (*value_ == in.getExpected()) {
    value_ = in.getDesired();
    out.setDone(true);
  }
  out.setValue(*value_);
}

}  // namespace troupe::actors

namespace troupe {

void Counter::declare(Group& group, std::string id, const CounterSpec& spec) {
  group.child<actors::CounterActor>(std::move(id), spec.child, spec);
}

}  // namespace troupe
