#include "wire/scratch.h"

#include <cstring>
#include <utility>
#include <vector>

namespace troupe::wire {

namespace {

// More messages than these are seldom being made at a time.
constexpr std::size_t kMostKept = 8;

thread_local std::vector<std::unique_ptr<ScratchMemory>> kept;

}  // namespace

Scratch::Scratch() {
  if (kept.empty()) {
    memory_ = std::make_unique<ScratchMemory>();
  } else {
    memory_ = std::move(kept.back());
    kept.pop_back();
  }
}

Scratch::~Scratch() {
  if (kept.size() >= kMostKept) return;
  memory_->segmentsLessOne = memory_->segmentWords = 0;
  std::memset(static_cast<void*>(memory_->segment.data()), 0, usedWords * sizeof(capnp::word));
  kept.push_back(std::move(memory_));
}

}  // namespace troupe::wire
