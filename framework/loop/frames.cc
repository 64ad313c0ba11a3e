#include <troupe/frames.h>

#include <array>
#include <new>

namespace troupe::detail {

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kKept = false;
#elif defined(__has_feature)
constexpr bool kKept = !__has_feature(address_sanitizer);
#else
constexpr bool kKept = true;
#endif

constexpr std::size_t kStep = 64;
constexpr std::size_t kSizes = 16;
constexpr unsigned kMostOfASize = 64;

struct Free {
  Free* next;
};
struct List {
  Free* first = nullptr;
  unsigned count = 0;
};

// Nothing is done when the thread ends: an actor's process has one, and to have something done costs each new process.
constinit thread_local std::array<List, kSizes> lists = {};

std::size_t sizeOf(std::size_t bytes) { return (bytes - 1) / kStep; }

}  // namespace

void* takeFrame(std::size_t bytes) {
  const std::size_t size = sizeOf(bytes);
  if (!kKept || size >= kSizes) return ::operator new(bytes);
  List& list = lists[size];
  if (list.first == nullptr) return ::operator new((size + 1) * kStep);
  Free* const taken = list.first;
  list.first = taken->next;
  --list.count;
  return taken;
}

void dropFrame(void* frame, std::size_t bytes) noexcept {
  const std::size_t size = sizeOf(bytes);
  if (!kKept || size >= kSizes || lists[size].count == kMostOfASize) return ::operator delete(frame);
  List& list = lists[size];
  list.first = new (frame) Free{list.first};
  ++list.count;
}

}  // namespace troupe::detail
