// Packets of any bytes, and requests of any kind, from a client of the root; and files that are said to be dead letters.
#include <fuzzer/FuzzedDataProvider.h>
#include <troupe/error.h>

#include "node/client_requests.h"
#include "node/dead_letter_office.h"
#include "os/channel.h"
#include "tests/fuzz/insist.h"
#include "wire/flat_message.h"
#include "wire/letter.h"

namespace {

using namespace troupe;

class World {
 public:
  World()
      : office_({.app = "shop", .bytes = 100'000}),
        directory_(loop_, {.send = [](wire::ControlMessage message) { onSent(message); },
                           .warn = [](const std::string&) {}}),
        requests_(directory_, office_.letters(), [] {}) {
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
      const auto answer = requests_.answer(request, "::1");
      insist(answer.size() <= os::kMaxChannelMessageBytes);
      if (!answer.empty()) static_cast<void>(wire::FlatMessage(answer).root<wire::ClientAnswer>().which());
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
};

void askSomething(World& world, FuzzedDataProvider& data) {
  capnp::MallocMessageBuilder message;
  auto request = message.initRoot<wire::ClientRequest>();
  const auto number = data.ConsumeIntegralInRange<std::uint64_t>(0, 4);
  switch (data.ConsumeIntegralInRange<int>(0, 6)) {
    case 0: request.setActors(data.ConsumeRandomLengthString(10).c_str()); break;
    case 1: request.setLetters(number); break;
    case 2:
      request.initLetter().setNumber(number);
      request.getLetter().setOffset(data.ConsumeIntegral<std::uint64_t>());
      break;
    case 3: request.setResend(number); break;
    case 4: request.setPurge(number); break;
    case 5: request.initManage().setSupervisor(data.ConsumeRandomLengthString(10).c_str()); break;
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
    switch (data.ConsumeIntegralInRange<int>(0, 3)) {
      case 0: askSomething(world, data); break;
      case 1: world.ask(data.ConsumeBytes<std::byte>(length(data))); break;
      case 2: world.takeLetter(data.ConsumeBytes<std::byte>(length(data))); break;
      default: try { static_cast<void>(wire::decodeLetter(data.ConsumeBytes<std::byte>(length(data))));
        } catch (const Error&) {}
    }
  }
  return 0;
}
