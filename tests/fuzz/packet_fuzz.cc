// A packet of any bytes: framing, envelopes, and the generated check of a protocol with all that a schema can
// have.
//
// What has passed its check must be readable, all of it, without a single exception.
#include <troupe/actor.h>

#include <kj/string.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "shapes.actor.h"
#include "wire/message.h"
#include "wire/packet.h"
#include "wire/reference.h"

namespace {

using namespace troupe;

class Painter : public Handlers<Painter, Canvas> {
 public:
  void draw(DrawParams, DrawResults) {}
  void move(MoveParams, MoveResults) {}
  void layers(LayersParams, LayersResults) {}
  void plant(PlantParams, PlantResults) {}
  void stack(StackParams) {}
  void restyle(RestyleParams) {}
  void rework(ReworkParams, ReworkResults) {}
  void keep(KeepParams, KeepResults) {}
  void chain(ChainParams, ChainResults) {}
};

// In place of a Turn: checks, and then reads all.
class CheckingTurn {
 public:
  explicit CheckingTurn(const wire::IncomingMessage& message) : message_(message) {}
  template <class Params, class Results, class Check, class Handler>
  void call(Check&& check, Handler&&) {
    read<Params>(check);
  }
  template <class Params, class Check, class Handler>
  void cast(Check&& check, Handler&&) {
    read<Params>(check);
  }

 private:
  template <class Params, class Check>
  void read(Check&& check) {
    const bool passes = passesDeep<Params>(check);
    if constexpr (ChecksPlainly<std::remove_cvref_t<Check>>) {
      const capnp::word* const plain = message_.plainBodyAt();
      // The quick check takes nothing for sound that is not; where the parameters themselves are no struct, reading says so.
      if (plain != nullptr && std::remove_cvref_t<Check>::holds(plain) && !passes && leadsToStruct(plain)) {
        std::fprintf(stderr, "passed its quick check, and not the deep one\n");
        std::abort();
      }
    }
    if (!passes) return;
    try {
      static_cast<void>(kj::str(message_.body().getAs<Params>()));
    } catch (const kj::Exception& exception) {
      std::fprintf(stderr, "passed its check, and then: %s\n", exception.getDescription().cStr());
      std::abort();
    }
  }
  template <class Params, class Check>
  bool passesDeep(Check& check) {
    try {
      check(message_.checkedBody().getAs<Params>());
      return true;
    } catch (const kj::Exception&) {
      return false;
    }
  }
  static bool leadsToStruct(const capnp::word* pointer) {
    return (reinterpret_cast<const unsigned char&>(*pointer) & 3) == 0;
  }
  const wire::IncomingMessage& message_;
};

void handle(std::span<const capnp::word> words) {
  try {
    const wire::IncomingMessage message(words);
    const auto envelope = message.envelope();
    for (const auto reference : envelope.getReferences()) static_cast<void>(reference.getPath());
    if (envelope.isError()) static_cast<void>(envelope.getError().getMessage());
    if (envelope.isResult() || envelope.isError()) return checkAny(message.checkedBody());
    Painter painter;
    CheckingTurn turn(message);
    Painter::dispatch(
        painter, envelope.isCall() ? envelope.getCall().getMethod() : envelope.getCast().getMethod(), turn);
  } catch (const kj::Exception&) {
    return;
  }
}

void handlePacket(const std::byte* bytes, std::size_t size) {
  wire::PacketView view;
  if (wire::PacketView::parse(bytes, size, view) != wire::PacketFault::none) return;
  for (unsigned i = 0; i < view.messages(); ++i) handle(view.message(i));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > wire::kMaxPacketBytes) return 0;
  // A buffer of its own, so that a byte too far is seen.
  auto aligned = kj::heapArray<capnp::word>((size + 7) / 8);
  auto* const bytes = reinterpret_cast<std::byte*>(aligned.begin());
  if (size > 0) std::memcpy(bytes, data, size);
  handlePacket(bytes, size);

  // And as what stands in one segment of a packet that is right otherwise.
  std::vector<std::byte> message(8 + size / 8 * 8);
  const auto words = static_cast<std::uint32_t>(size / 8);
  std::memcpy(message.data() + 4, &words, sizeof words);
  std::memcpy(message.data() + 8, bytes, words * 8);
  wire::PacketBuilder builder;
  if (builder.append(message)) {
    const auto packet = builder.finish(1, 1, 1);
    handlePacket(packet.data(), packet.size());
  }
  return 0;
}
