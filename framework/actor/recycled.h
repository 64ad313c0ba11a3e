// An allocator for objects that come and go all the time, one after the other: what was freed last is used next, without
// asking the heap.
//
// Threads: each has its own.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace troupe::actor {

template <class T>
class Recycled {
 public:
  using value_type = T;
  Recycled() = default;
  template <class U>
  Recycled(const Recycled<U>&) {}

  T* allocate(std::size_t count) {
    auto& free = freed();
    if (count != 1 || free.empty()) return static_cast<T*>(::operator new(count * sizeof(T)));
    void* const memory = free.back();
    free.pop_back();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    auto& free = freed();
    if (count != 1 || free.size() == free.capacity()) return ::operator delete(memory);
    free.push_back(memory);
  }
  template <class U>
  bool operator==(const Recycled<U>&) const {
    return true;
  }

 private:
  struct List : std::vector<void*> {
    List() { reserve(64); }
    ~List() {
      for (void* const memory : *this) ::operator delete(memory);
    }
  };
  static List& freed() {
    static thread_local List list;
    return list;
  }
};

}  // namespace troupe::actor
