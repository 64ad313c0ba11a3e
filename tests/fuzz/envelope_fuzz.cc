// Envelopes on a reply lane, of any bytes or well made but lying: each call that waits ends at most once, and
// by an answer that names it; references in them are read, whatever they say.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstring>
#include <utility>

#include "actor/pending_calls.h"
#include "os/shared_memory.h"
#include "tests/fuzz/insist.h"

namespace {

using namespace troupe;

constexpr int kCalls = 4;

struct World {
  loop::Loop loop;
  mailbox::MappedDesk memory{os::makeSharedMemory("desk", mailbox::kDeskBytes)};
  mailbox::TurnLog log{*memory, 1};
  mailbox::Outbox outbox{loop, {.actor = 1, .generation = 1}, log, [](mailbox::Destination) {}};
  os::Fd lane = os::makePacketPipe();
  os::Fd writer = os::openWriteEnd(lane);
  std::vector<wire::ActorId> asked;
  actor::Bodies bodies{loop,
                       {},
                       0,
                       1,
                       {.introduce = [this](wire::ActorId actor) { asked.push_back(actor); },
                        .arrived = [this] { calls.bodiesArrived(); }}};
  actor::PendingCalls calls{loop, outbox, bodies, 1, os::openReadEnd(lane), [](const std::string&) {}};
};

// A message whose parts are right, and whose values are anything.
std::vector<std::byte> envelope(FuzzedDataProvider& data, std::uint64_t call) {
  wire::OutgoingMessage message;
  auto root = message.envelope();
  const std::string text = data.ConsumeRandomLengthString(64);
  switch (data.ConsumeIntegralInRange<int>(0, 4)) {
    case 0: root.initResult().setCall(call); break;
    case 1: {
      auto error = root.initError();
      error.setCall(call);
      error.setKind(data.ConsumeIntegral<std::uint16_t>());
      error.setMessage(text.c_str());
      break;
    }
    case 2: {
      auto to = root.initCall();
      to.setInterface(data.ConsumeIntegral<std::uint64_t>());
      to.setMethod(data.ConsumeIntegral<std::uint16_t>());
      to.setCall(call);
      to.setDeadline(data.ConsumeIntegral<std::int64_t>());
      break;
    }
    case 3: root.initCast().setMethod(data.ConsumeIntegral<std::uint16_t>()); break;
    default: break;
  }
  if (data.ConsumeBool()) message.body().setAs<capnp::Text>(text.c_str());
  if (data.ConsumeBool()) {
    auto references = root.initReferences(data.ConsumeIntegralInRange<unsigned>(0, 4));
    for (auto reference : references) {
      reference.setActor(data.ConsumeIntegral<std::uint64_t>());
      reference.setPath(text.c_str());
    }
  }
  const auto made = message.finish("an envelope");
  std::vector<std::byte> bytes(made.begin(), made.end());
  // And some of its bytes wrong.
  for (int i = data.ConsumeIntegralInRange<int>(0, 3); i > 0; --i)
    bytes[data.ConsumeIntegralInRange<std::size_t>(0, bytes.size() - 1)] =
        static_cast<std::byte>(data.ConsumeIntegral<std::uint8_t>());
  return bytes;
}

void readAll(const std::vector<std::byte>& bytes) {
  if (bytes.size() < 8) return;
  std::vector<capnp::word> words(bytes.size() / sizeof(capnp::word));
  std::memcpy(words.data(), bytes.data(), words.size() * sizeof(capnp::word));
  try {
    const wire::IncomingMessage message(words);
    static_cast<void>(message.envelope().totalSize());
    for (const auto reference : message.envelope().getReferences())
      static_cast<void>(reference.getPath().size());
    static_cast<void>(message.checkedBody().targetSize());
  } catch (const kj::Exception&) {
    return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  static World world;
  FuzzedDataProvider data(input, size);
  std::vector<std::shared_ptr<detail::PendingCall>> waiting;
  for (int i = 0; i < kCalls; ++i) {
    auto call = std::make_shared<detail::PendingCall>();
    call->calls = &world.calls;
    call->id = world.calls.nextId();
    call->callee = RefBase(2, "/callee");
    call->name = "Fuzzed.call";
    world.calls.start(call, envelope(data, call->id));
    waiting.push_back(std::move(call));
  }
  std::size_t answers = 0;
  for (int packets = data.ConsumeIntegralInRange<int>(0, 6); packets > 0; --packets) {
    wire::PacketBuilder builder;
    for (int i = data.ConsumeIntegralInRange<int>(1, 4); i > 0; --i) {
      const auto& call = waiting[data.ConsumeIntegralInRange<std::size_t>(0, kCalls - 1)];
      const auto message =
          data.ConsumeBool()
              ? envelope(data, data.ConsumeBool() ? call->id : data.ConsumeIntegral<std::uint64_t>())
              : data.ConsumeBytes<std::byte>(data.ConsumeIntegralInRange<std::size_t>(1, 300));
      readAll(message);
      if (!message.empty() && builder.append(message)) ++answers;
    }
    const auto packet = builder.finish(2, 1, 1);
    os::writePacket(world.writer.get(), packet.data(), packet.size());
  }
  world.calls.readReplies();
  // A reply that waits for an arena is decided once that is known not to be there.
  for (const wire::ActorId actor : std::exchange(world.asked, {})) world.bodies.unreachable(actor);
  std::size_t over = 0;
  for (const auto& call : waiting) {
    over += call->done ? 1 : 0;
    insist(call->done == (call->reply.has_value() || call->error.has_value()));
    insist(!call->reply.has_value() || !call->error.has_value());
  }
  insist(over <= answers);
  insist(world.calls.size() == kCalls - over);
  world.calls.failCallee(2, Error::gone("gone", {}));
  insist(world.calls.size() == 0);
  world.outbox.close({2});
  world.outbox.flush();
  return 0;
}
