// Packets of any bytes, and requests of any kind, from a client of the root, admitted or not, and of a session; and files that are said
// to be dead letters.
#include <fuzzer/FuzzedDataProvider.h>
#include <troupe/error.h>

#include "node/admission.h"
#include "node/client_requests.h"
#include "node/dead_letter_office.h"
#include "os/channel.h"
#include "tests/fuzz/insist.h"
#include "wire/flat_message.h"
#include "wire/letter.h"
#include "wire/parts.h"
#include "wire/payload.h"

namespace {

using namespace troupe;

class World {
 public:
  World()
      : office_({.app = "shop", .bytes = 100'000}),
        directory_(loop_, {.send = [](wire::ControlMessage message) { onSent(message); },
                           .warn = [](const std::string&) {}}),
        requests_(directory_, office_.letters(), {.stopApp = [] {}}) {
    wire::ControlMessage claim;
    claim->setFrom("/");
    claim->setRequest(1);
    claim->initClaim().setPath("/a");
    auto received = wire::ReceivedControl::looped(claim);
    directory_.onMessage(received);
  }

  void takeLetter(std::span<const std::byte> message) {
    wire::Letter letter;
    letter.path = "/a";
    letter.actor = 1;
    letter.message.assign(message.begin(), message.end());
    office_.take(std::move(letter));
  }

  void ask(std::span<const std::byte> request) {
    try {
      const auto answer = requests_.answer(request, "::1").packet;
      insist(answer.size() <= os::kMaxChannelMessageBytes);
      if (!answer.empty()) static_cast<void>(wire::FlatMessage(answer).root<wire::ClientAnswer>().which());
    } catch (const kj::Exception&) {}
    try {
      insist(!admission_.answer(request).empty());
      insist(!admission_.admitted());
    } catch (const kj::Exception&) {}
  }

  // As a session does with what its client has sent.
  void give(std::span<const std::byte> packet) {
    try {
      if (!parts_.add(packet)) return;
      const auto message = parts_.take();
      const wire::FlatMessage request(message, wire::kNestingOfPayloads);
      const auto root = request.root<wire::SessionRequest>();
      if (!root.isCall()) return;
      wire::PayloadReader payload(root.getCall().getParams());
      capnp::MallocMessageBuilder copy;
      copy.getRoot<capnp::AnyPointer>().set(payload.content());
    } catch (const Error&) {
    } catch (const kj::Exception&) {}
  }

 private:
  static void onSent(wire::ControlMessage& message) {
    auto sent = wire::ReceivedControl::looped(message);
    if (sent->isFailed()) static_cast<void>(node::ClientRequests::answerOf(sent));
  }

  loop::Loop loop_;
  node::DeadLetterOffice office_;
  node::Directory directory_;
  node::ClientRequests requests_;
  const std::string key_ = "a key";
  node::Admission admission_{key_};
  wire::PartsReader parts_{100'000};
};

void askSomething(World& world, FuzzedDataProvider& data) {
  capnp::MallocMessageBuilder message;
  auto request = message.initRoot<wire::ClientRequest>();
  const auto number = data.ConsumeIntegralInRange<std::uint64_t>(0, 4);
  const std::string bytes = data.ConsumeRandomLengthString(40);
  const kj::ArrayPtr<const kj::byte> asData(reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size());
  switch (data.ConsumeIntegralInRange<int>(0, 10)) {
    case 0: request.setActors(data.ConsumeRandomLengthString(10).c_str()); break;
    case 1: request.setLetters(number); break;
    case 2:
      request.initLetter().setNumber(number);
      request.getLetter().setOffset(data.ConsumeIntegral<std::uint64_t>());
      break;
    case 3: request.setResend(number); break;
    case 4: request.setPurge(number); break;
    case 5: request.setHello(asData); break;
    case 6: request.setProve(asData); break;
    case 7:
      request.initSchema().setInterface(number);
      request.getSchema().setFrom(data.ConsumeIntegral<std::uint32_t>());
      break;
    case 8: request.setTap(bytes.c_str()); break;
    case 9: request.initManage().setSupervisor(data.ConsumeRandomLengthString(10).c_str()); break;
    default:
      request.initManage().setSupervisor("/");
      request.getManage().setStop(data.ConsumeRandomLengthString(10).c_str());
  }
  world.ask(wire::flatBytes(message));
}

std::size_t length(FuzzedDataProvider& data) { return data.ConsumeIntegralInRange<std::size_t>(0, 1000); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  FuzzedDataProvider data(input, size);
  World world;
  while (data.remaining_bytes() > 0) {
    switch (data.ConsumeIntegralInRange<int>(0, 4)) {
      case 0: askSomething(world, data); break;
      case 1: world.ask(data.ConsumeBytes<std::byte>(length(data))); break;
      case 2: world.give(data.ConsumeBytes<std::byte>(length(data))); break;
      case 3: world.takeLetter(data.ConsumeBytes<std::byte>(length(data))); break;
      default: try { static_cast<void>(wire::decodeLetter(data.ConsumeBytes<std::byte>(length(data))));
        } catch (const Error&) {}
    }
  }
  return 0;
}
