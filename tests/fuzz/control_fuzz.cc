// Control messages of any bytes, and any order of those that make sense, against the codecs and the
// directory.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstring>
#include <deque>

#include "actor/spec_codec.h"
#include "node/directory.h"
#include "wire/reason_codec.h"

namespace {

using namespace troupe;
using wire::Control;

constexpr const char* kPaths[] = {"/",      "/a", "/b",   "/s",   "/s/a", "/s/b", "/s/t",
                                  "/s/t/x", "/p", "/p/1", "/p/2", "/ss",  "",     "/s/"};
constexpr const char* kNames[] = {"", "a", "clock", "s/a", "/s/a", "1", "/"};

class World {
 public:
  World()
      : directory_(loop_, {.send = [this](wire::ControlMessage message) { onSent(message); },
                           .warn = [](const std::string&) {}}) {}

  void say(wire::ReceivedControl& message) { directory_.onMessage(message); }
  void operate(FuzzedDataProvider& data);
  // Timers that are due, and what they do.
  void letTimePass() {
    loop_.post([this] { loop_.stop(); });
    loop_.run();
  }

 private:
  void onSent(wire::ControlMessage& message) {
    auto sent = wire::ReceivedControl::looped(message);
    if (sent->isManage()) passed_ = sent->getRequest();
    if (!sent->isGranted() || !sent.has(2)) return;
    desks_.push_back(sent.take(2));
    if (desks_.size() > 6) desks_.pop_front();
  }
  void fill(Control::Builder root, FuzzedDataProvider& data);

  loop::Loop loop_;
  std::deque<os::Fd> desks_;  // processes that live
  std::uint64_t passed_ = 0;
  node::Directory directory_;
};

template <class T, std::size_t count>
T pick(const T (&from)[count], FuzzedDataProvider& data) {
  return from[data.ConsumeIntegralInRange<std::size_t>(0, count - 1)];
}

void World::fill(Control::Builder root, FuzzedDataProvider& data) {
  const std::uint64_t actor = data.ConsumeIntegralInRange<std::uint64_t>(0, 8);
  const auto generation = data.ConsumeIntegralInRange<std::uint32_t>(0, 3);
  switch (data.ConsumeIntegralInRange<int>(0, 10)) {
    case 0:
    case 1: {
      auto claim = root.initClaim();
      claim.setPath(pick(kPaths, data));
      claim.setRole(data.ConsumeIntegralInRange<std::uint8_t>(0, 4));
      claim.setName(pick(kNames, data));
      claim.initInterfaces(1).set(0, data.ConsumeIntegralInRange<std::uint64_t>(0, 2));
      return;
    }
    case 2: {
      auto ended = root.initEnded();
      ended.setActor(actor);
      ended.setGeneration(generation);
      return;
    }
    case 3: return root.initForget().setPath(pick(kPaths, data));
    case 4: {
      auto up = root.initUp();
      up.setActor(actor);
      up.setGeneration(generation);
      return;
    }
    case 5: {
      auto find = root.initFind();
      find.setName(pick(kNames, data));
      find.setInterface(data.ConsumeIntegralInRange<std::uint64_t>(0, 2));
      return;
    }
    case 6: {
      auto introduce = root.initIntroduce();
      introduce.setActor(actor);
      introduce.setLane(data.ConsumeIntegralInRange<std::uint8_t>(0, 2));
      return;
    }
    case 7: return root.setWatch(actor);
    case 8: return root.setUnwatch(actor);
    case 9: return root.initManage().setSupervisor(pick(kPaths, data));
    default: root.setRequest(passed_); return root.initManaged().setDone();
  }
}

void World::operate(FuzzedDataProvider& data) {
  switch (data.ConsumeIntegralInRange<int>(0, 7)) {
    case 0:
      if (!desks_.empty()) desks_.pop_front();
      return;
    case 1: return letTimePass();
    default: {
      wire::ControlMessage message;
      message->setRequest(1);
      message->setFrom(pick(kPaths, data));
      fill(message.root(), data);
      auto received = wire::ReceivedControl::looped(message);
      return say(received);
    }
  }
}

// All that can be read of a message, by those who read it.
void readAll(wire::ReceivedControl& message) {
  switch (message->which()) {
    case Control::LEAVING: static_cast<void>(wire::read(message->getLeaving())); return;
    case Control::FAILED: static_cast<void>(wire::read(message->getFailed())); return;
    case Control::MANAGE: {
      const auto manage = message->getManage();
      if (manage.isStartChild()) {
        static_cast<void>(actor::read(manage.getStartChild().getSpec()));
        static_cast<void>(actor::read(manage.getStartChild().getArguments(), message));
      }
      if (manage.isChangeFlags()) {
        SupervisorSpec flags;
        actor::read(manage.getChangeFlags(), flags);
      }
      if (!manage.isChangeChildren()) return;
      for (const auto named : manage.getChangeChildren()) static_cast<void>(actor::read(named.getSpec()));
      return;
    }
    default: return;
  }
}

void handleBytes(World& world, std::span<const std::byte> bytes) {
  try {
    wire::ReceivedControl message(bytes, {});
    try {
      readAll(message);
    } catch (const Error&) {
    } catch (const kj::Exception&) {}
    auto copy = wire::forwarded(message);
    auto received = wire::ReceivedControl::looped(copy);
    world.say(received);
  } catch (const Error&) {
  } catch (const kj::Exception&) {}
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  FuzzedDataProvider data(input, size);
  World world;
  if (data.ConsumeBool()) {
    for (int i = 0; i < 60 && data.remaining_bytes() > 0; ++i) world.operate(data);
    return 0;
  }
  const auto bytes = data.ConsumeRemainingBytes<std::byte>();
  handleBytes(world, bytes);
  // And as what stands in a frame that is right.
  std::vector<std::byte> framed(8 + bytes.size() / 8 * 8);
  const auto words = static_cast<std::uint32_t>(bytes.size() / 8);
  std::memcpy(framed.data() + 4, &words, sizeof words);
  if (words > 0) std::memcpy(framed.data() + 8, bytes.data(), std::size_t{words} * 8);
  handleBytes(world, framed);
  return 0;
}
