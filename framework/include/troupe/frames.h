// The memory of coroutine frames, and of what else lives as long as an await. Part of the machinery of tasks (<troupe/task.h>); users
// have nothing to do with it.
//
// Each await of a task makes a frame and drops it, of a few sizes, again and again: what was freed last is used next, without
// asking the heap. Where the address sanitizer looks on, the heap is asked each time, so that it sees who uses a
// frame that has gone.
//
// Memory:  some frames of each small size are kept, for good.
// Threads: each has its own; a frame may be dropped by another one.
#pragma once

#include <cstddef>

namespace troupe::detail {

void* takeFrame(std::size_t bytes);
void dropFrame(void* frame, std::size_t bytes) noexcept;

// The same memory, as containers and std::allocate_shared ask for it.
template <class T>
struct FrameAllocator {
  using value_type = T;
  FrameAllocator() = default;
  template <class U>
  FrameAllocator(const FrameAllocator<U>&) noexcept {}
  T* allocate(std::size_t count) { return static_cast<T*>(takeFrame(count * sizeof(One))); }
  void deallocate(T* at, std::size_t count) noexcept {
    dropFrame(static_cast<void*>(at), count * sizeof(One));
  }
  friend bool operator==(const FrameAllocator&, const FrameAllocator&) { return true; }

 private:
  // T may be a pointer, and it is that which is meant.
  struct One {
    T value;
  };
};

}  // namespace troupe::detail
