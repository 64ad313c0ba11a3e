// SharedBlock: bytes in memory that several actors have mapped: multiprocessing's shared_memory.
//
//     auto frame = app.sharedBlock("frame", 8_MiB);                      in main; zero at first
//     app.child<Camera>("camera", {}, frame);
//     app.child<Viewer>("viewer", {}, frame.readOnly());
//
//     std::span<Pixel> pixels = frame.bytes<Pixel>();                    to write to
//     std::span<const Pixel> pixels = frame.view<Pixel>();
//
// Order:     none: who writes and who reads agree on that by messages, or by atomics in the block. Who dies writing leaves half of it
//            written; what must not be seen so is a Shared<T> (<troupe/shared.h>).
// Memory:    is there when the block is, or that is an error: to write to it never fails. Nobody can make it smaller.
// Lifetime, Elsewhere, Exec: as those of a Shared<T>. A span is valid as long as a SharedBlock of that memory is there in its process.
// Read-only: guards against mistakes: a process that writes there ends (SIGSEGV). It does not keep one out that wants to.
// Errors:    as those of a Shared<T>; invalid, where another size was wanted, or a read-only one is to be written to.
// Threads:   the actor's.
#pragma once

#include <troupe/shared.h>

namespace troupe {

class SharedBlock {
 public:
  SharedBlock() = default;
  explicit SharedBlock(detail::SharedMemory memory) : memory_(std::move(memory)) {}
  // By an actor at run time.
  static SharedBlock make(std::string name, std::size_t bytes) {
    return SharedBlock(detail::SharedMemory::make(type(bytes), std::move(name), {}));
  }
  static SharedBlock open(const std::string& address) {
    return SharedBlock(detail::SharedMemory::open(type(), address));
  }

  explicit operator bool() const { return static_cast<bool>(memory_); }
  const std::string& name() const { return memory_.name(); }
  std::size_t size() const { return memory_.bytes(); }
  // A text by which any process of the same user opens the same memory, as long as this process has it; that of a read-only one opens a
  // read-only one.
  std::string address() const { return memory_.address(); }

  SharedBlock readOnly() const { return SharedBlock(memory_.readOnly()); }
  bool writable() const { return memory_.writable(); }

  // As many as fit.
  template <class T = std::byte>
  std::span<T> bytes() const {
    static_assert(std::is_trivially_copyable_v<T> && !std::is_const_v<T>, "a block holds plain memory");
    return {reinterpret_cast<T*>(memory_.content(true)), size() / sizeof(T)};
  }
  template <class T = std::byte>
  std::span<const T> view() const {
    static_assert(std::is_trivially_copyable_v<T>, "a block holds plain memory");
    return {reinterpret_cast<const T*>(memory_.content(false)), size() / sizeof(T)};
  }

  const detail::SharedMemory& memory() const { return memory_; }
  static detail::SharedType type(std::size_t bytes = 0) {
    return {detail::SharedType::Form::block, 0, "", bytes};
  }

 private:
  detail::SharedMemory memory_;
};

namespace detail {

template <>
struct ArgumentCodec<SharedBlock> {
  static Argument toArgument(const SharedBlock& block) { return SharedMemory::toArgument(block.memory()); }
  static SharedBlock fromArgument(const Argument& value) {
    return SharedBlock(SharedMemory::fromArgument(SharedBlock::type(), value));
  }
  static int descriptorOf(const SharedBlock& block) { return block.memory().fd(); }
};

}  // namespace detail
}  // namespace troupe
