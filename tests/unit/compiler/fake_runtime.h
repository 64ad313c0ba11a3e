// What generated code sends with and is dispatched by, without processes: a ref that keeps what it was asked
// to send, and a turn that hands a kept message to a handler.
#pragma once

#include <troupe/actor.h>
#include <troupe/protocol.h>
#include <troupe/ref.h>

#include <capnp/message.h>
#include <gtest/gtest.h>
#include <kj/exception.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace troupe::tests {

// A message with the capabilities in it.
class Message {
 public:
  template <class Params>
  typename Params::Builder init() {
    return table_->imbue(message_->getRoot<capnp::AnyPointer>()).template initAs<Params>();
  }
  template <class Params>
  typename Params::Reader read() const {
    return table_->imbue(message_->getRoot<capnp::AnyPointer>()).template getAs<Params>().asReader();
  }
  kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments() const {
    return message_->getSegmentsForOutput();
  }

 private:
  std::unique_ptr<capnp::MallocMessageBuilder> message_ = std::make_unique<capnp::MallocMessageBuilder>();
  std::unique_ptr<capnp::BuilderCapabilityTable> table_ = std::make_unique<capnp::BuilderCapabilityTable>();
};

struct Sent {
  std::uint64_t interfaceId = 0;
  std::uint16_t method = 0;
  std::string name;
  bool cast = false;
  Message message;
  bool inPlace = false;  // its parameters can be written without a builder
};

// What is written without a builder is what a builder has made, word for word.
template <FillsPlainly Fill>
void expectTheSameInPlace(const Fill& fill, const Message& made) {
  constexpr std::size_t kSize = Fill::kDataWords + Fill::kPointers;
  std::vector<std::uint64_t> words(1 + kSize + fill.words, ~std::uint64_t{0});
  // The root: a struct that follows it, or one of no size.
  words[0] =
      kSize == 0 ? 0xfffffffc : std::uint64_t{Fill::kDataWords} << 32 | std::uint64_t{Fill::kPointers} << 48;
  PlainParams params(words.data() + 1, Fill::kDataWords, Fill::kPointers);
  fill.write(params);
  ASSERT_EQ(made.segments().size(), 1U);
  const auto segment = made.segments()[0].asBytes();
  const auto bytes = std::as_bytes(std::span(words));
  ASSERT_EQ(bytes.size(), segment.size());
  EXPECT_EQ(std::memcmp(bytes.data(), segment.begin(), segment.size()), 0);
}

template <class I, class All = typename Protocol<I>::All>
class FakeRef;

template <class I, class... X>
class FakeRef<I, TypeList<X...>> : public RefMethods<X, FakeRef<I>>... {
 public:
  template <class Params, class Results, class Fill, class Check>
  Sent sendCall(std::uint64_t interfaceId, std::uint16_t method, const char* name, Fill&& fill,
                const Check&) const {
    return made<Params>({interfaceId, method, name, false, {}}, fill);
  }
  template <class Params, class Fill>
  Sent sendCast(std::uint64_t interfaceId, std::uint16_t method, const char* name, Fill&& fill) const {
    return made<Params>({interfaceId, method, name, true, {}}, fill);
  }

 private:
  template <class Params, class Fill>
  static Sent made(Sent sent, Fill& fill) {
    fill(sent.message.template init<Params>());
    if constexpr (FillsPlainly<std::remove_cvref_t<Fill>>) {
      sent.inPlace = true;
      expectTheSameInPlace(fill, sent.message);
    }
    return sent;
  }
};

// One message on its way to a handler.
class FakeTurn {
 public:
  FakeTurn() = default;
  explicit FakeTurn(Message in) : in_(std::move(in)) {}

  bool wasCall() const { return wasCall_; }
  bool wasCast() const { return wasCast_; }
  // Why the check found the message malformed; empty where it did not.
  const std::string& malformed() const { return malformed_; }
  template <class Results>
  typename Results::Reader results() const {
    return out_.read<Results>();
  }

  template <class Params, class R, class Check, class Handler>
  void call(Check&& check, Handler&& handler) {
    wasCall_ = true;
    const typename Params::Reader in = in_.read<Params>();
    if (passes(check, in)) finish(handler, in, Results<R>(out_.init<R>(), noTurn()));
  }
  template <class Params, class Check, class Handler>
  void cast(Check&& check, Handler&& handler) {
    wasCast_ = true;
    const typename Params::Reader in = in_.read<Params>();
    if (passes(check, in)) finish(handler, in);
  }

 private:
  template <class Check, class Reader>
  bool passes(Check& check, const Reader& in) {
    try {
      check(in);
    } catch (const kj::Exception& error) {
      malformed_ = error.getDescription().cStr();
    }
    return malformed_.empty();
  }

  template <class Handler, class... Arguments>
  static void finish(Handler& handler, Arguments&&... arguments) {
    if constexpr (std::is_void_v<std::invoke_result_t<Handler&, Arguments...>>) {
      handler(std::forward<Arguments>(arguments)...);
    } else {
      auto task = handler(std::forward<Arguments>(arguments)...);
      task.resume();
      task.take();
    }
  }

  // A Results needs a Turn to refuse with, which no handler of these tests does.
  static Turn noTurn() {
    static char state;
    return Turn(reinterpret_cast<Turn::State&>(state));
  }

  Message in_;
  Message out_;
  std::string malformed_;
  bool wasCall_ = false;
  bool wasCast_ = false;
};

}  // namespace troupe::tests
