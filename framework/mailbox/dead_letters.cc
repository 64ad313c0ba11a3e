#include "mailbox/dead_letters.h"

#include <utility>

namespace troupe::mailbox {

namespace {
// The node of the map, and what the strings and the message cost beside their content.
constexpr std::size_t kFixedWeight = sizeof(wire::Letter) + 160;
}  // namespace

std::size_t DeadLetters::weightOf(const wire::Letter& letter) {
  return kFixedWeight + letter.message.size() + letter.path.size() + letter.senderPath.size() +
         letter.methodName.size() + letter.reason.text.size();
}

void DeadLetters::add(wire::Letter letter) {
  letter.number = nextNumber();
  ++counts_.stored;
  const std::size_t weight = weightOf(letter);
  if (weight > mostBytes_) {
    ++counts_.evicted;
    return;
  }
  while (bytes_ + weight > mostBytes_) {
    remove(letters_.begin()->first);
    ++counts_.evicted;
  }
  bytes_ += weight;
  const std::uint64_t number = letter.number;
  letters_.emplace(number, std::move(letter));
}

const wire::Letter* DeadLetters::find(std::uint64_t number) const {
  const auto found = letters_.find(number);
  return found == letters_.end() ? nullptr : &found->second;
}

bool DeadLetters::remove(std::uint64_t number) {
  const auto found = letters_.find(number);
  if (found == letters_.end()) return false;
  bytes_ -= weightOf(found->second);
  letters_.erase(found);
  return true;
}

std::size_t DeadLetters::clear() {
  bytes_ = 0;
  return std::exchange(letters_, {}).size();
}

}  // namespace troupe::mailbox
