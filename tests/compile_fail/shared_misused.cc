// expect: a shared value is plain memory
// expect: a shared value has at most 256 KiB
// expect: an update of a shared value can't wait
#include <troupe/shared.h>
#include <troupe/task.h>

#include <array>
#include <string>

struct Stats {
  int done = 0;
};

template class troupe::detail::SharedBase<std::string>;
template class troupe::detail::SharedBase<std::array<char, 300'000>>;

void use(const troupe::Shared<Stats>& stats, const troupe::Shared<int>& number) {
  stats.update([](Stats& value) -> troupe::Task<> {
    ++value.done;
    co_return;
  });
  number.add(1);
}
