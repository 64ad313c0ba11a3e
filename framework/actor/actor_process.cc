#include "actor/actor_process.h"

#include <troupe/error.h>

#include <cerrno>
#include <csignal>

#include "actor/describe_exception.h"
#include "os/kill_point.h"
#include "os/process.h"
#include "wire/reason_codec.h"

namespace troupe::actor {

namespace {
ActorProcess* theProcess = nullptr;
constexpr auto kAskAgain = std::chrono::milliseconds(100);
// What an actor that was asked to stop has still to send may wait so long for those who do not read.
constexpr auto kPatience = std::chrono::seconds(2);
}  // namespace

ActorProcess& ActorProcess::current() {
  if (theProcess == nullptr)
    throw Error(ErrorKind::invalid, "only an actor can do this, and this process is none");
  return *theProcess;
}

ActorProcess::ActorProcess(Assignment assignment)
    : path_(std::move(assignment.path)),
      id_(assignment.id),
      generation_(assignment.generation),
      tookOver_(assignment.tookOver),
      limits_(assignment.limits),
      recycleAfter_(assignment.recycleAfter),
      instances_(assignment.instances),
      class_(*assignment.actorClass),
      factory_(std::move(assignment.factory)),
      arguments_(std::move(assignment.arguments)),
      leaving_(std::move(assignment.leaving)),
      control_(loop_, std::move(assignment.control),
               {.message = [this](wire::ReceivedControl& message) { onControl(message); },
                // The supervisor has died; the kernel's SIGKILL is on its way.
                .closed = [] { os::endProcess(1); },
                .fault = [this](const std::string& what) { fault(what); },
                .stuck = [] {}}),
      bodies_(loop_, std::move(assignment.ends.arena), assignment.maxMessageBytes, generation_,
              {.introduce = [this](wire::ActorId actor) { introduce({actor, wire::Lane::arena}); },
               // Those who wait may go on with what they like: not from within the one who brings it.
               .arrived =
                   [this] {
                     loop_.post([this] {
                       calls_.bodiesArrived();
                       server_.bodiesArrived();
                       letGoWhenIdle();
                     });
                   }}),
      memory_(assignment.memory.valid() ? std::move(assignment.memory)
                                        : mailbox::MappedDesk(assignment.ends.desk)),
      log_(*memory_, generation_),
      kept_(memory_->kept),
      outbox_(
          loop_, {.actor = id_, .generation = generation_, .arena = &bodies_.own()}, log_,
          [this](mailbox::Destination to) { introduce(to); },
          [this](wire::ActorId actor, std::span<const std::byte> packet) {
            wire::ControlMessage message;
            auto undeliverable = message->initUndeliverable();
            undeliverable.setActor(actor);
            undeliverable.setPacket({reinterpret_cast<const kj::byte*>(packet.data()), packet.size()});
            control_.send(std::move(message));
          }),
      desk_(
          *memory_, std::move(assignment.ends.mailbox),
          [this](wire::ActorId sender, const std::string& what) {
            fault(what + (sender != 0 ? " (from actor " + std::to_string(sender) + ")" : ""));
          },
          assignment.alone),
      journal_(log_, kept_, desk_, outbox_),
      calls_(loop_, outbox_, bodies_, generation_, std::move(assignment.ends.reply),
             [this](const std::string& what) { fault(what); }),
      again_(loop_,
             [this] {
               for (const mailbox::Destination to : std::exchange(unreachable_, {})) introduce(to);
             }),
      requests_(loop_, generation_,
                [this](wire::ControlMessage message) { control_.send(std::move(message)); }),
      monitors_({.watch = [this](wire::ActorId actor) { watch(actor); },
                 .watchProcess = [this](wire::ActorId actor,
                                        std::uint32_t generation) { watchProcess(actor, generation); },
                 .unwatch =
                     [this](wire::ActorId actor) {
                       wire::ControlMessage message;
                       message->setUnwatch(actor);
                       control_.send(std::move(message));
                     }}),
      signals_({SIGTERM}),
      signalPoll_(loop_, signals_.fd(), loop::Interest::readable,
                  [this](bool, bool) {
                    while (signals_.next()) {
                      signalled_ = true;
                      stopAsAsked();
                    }
                  }),
      unsentFor_(loop_, [this] { giveUpUnsent(); }),
      run_([this](std::exception_ptr exception) { crash(std::move(exception)); }),
      background_([this](std::exception_ptr exception) { crash(std::move(exception)); }),
      life_([this](std::exception_ptr exception) { crash(std::move(exception)); }),
      server_(loop_, class_, path_, desk_, outbox_, journal_, bodies_,
              {.fault = [this](const std::string& what) { fault(what); },
               .crash = [this](std::exception_ptr exception) { crash(std::move(exception)); },
               .idle = [this] { handingOver_ ? letGoWhenIdle() : windDown(); },
               .worn = [this] { stop({.kind = ExitKind::recycled}); }}) {
  // The description stays open, and with it the lock on the desk, until this process is no more.
  deskLock_ = std::move(assignment.ends.desk);
  loop_.beforeSleep([this] { return beforeSleep(); });
}

ActorProcess::~ActorProcess() {
  if (theProcess == this) theProcess = nullptr;
}

void ActorProcess::run() {
  theProcess = this;
  detail::Strand::current() = nullptr;
  const loop::CurrentLoop scope(loop_);
  os::setKillPath(path_);
  try {
    if (limits_.memory > 0) os::limitMemory(limits_.memory);
    // Those whom its predecessor has answered it is introduced to, mostly before it would ask.
    if (generation_ > 1) control_.receivePending();
    outbox_.resend();
    construct();
    loop_.run();
  } catch (...) {
    // A commit that failed, say.
    crash(std::current_exception());
  }
  if (!over_) end({.kind = ExitKind::normal});
}

void ActorProcess::construct() {
  try {
    actor_ = factory_(arguments_);
    arguments_.clear();
  } catch (...) {
    crash(std::current_exception());
  }
  os::killPoint("constructed");
  if (class_.init == nullptr) return started({});
  const auto result = std::make_shared<Start>();
  life_.spawn(
      [](Task<Start> init, std::shared_ptr<Start> result) -> Task<> { *result = co_await std::move(init); }(
                                                              class_.init(*actor_), result),
      [this, result] { started(*result); });
}

void ActorProcess::started(Start start) {
  if (tookOver_) kept_.noteTakeOver(generation_);
  journal_.begin();
  outbox_.flush();
  os::killPoint("beforeReady");
  wire::ControlMessage message;
  auto ready = message->initReady();
  ready.setIgnored(start.ignored);
  ready.setInfo(start.info.c_str());
  control_.send(std::move(message));
  os::killPoint("afterReady");
  ready_ = true;
  if (start.ignored && !ending_) ending_ = ExitReason{.kind = ExitKind::normal};
  if (ending_) return windDown();
  if (class_.run != nullptr) {
    run_.spawn(class_.run(*actor_), [this] { stop({.kind = ExitKind::normal}); });
  }
  if (!ending_) server_.serve(*actor_, WorkMeter::of(limits_, recycleAfter_));
}

void ActorProcess::stop(ExitReason reason) {
  if (ending_) {
    // Why the stop is no orderly one, stopping() knows.
    if (windingDown_ && !reason.clean()) ending_ = std::move(reason);
    return;
  }
  ending_ = std::move(reason);
  server_.stopTaking();
  handingOver_ = false;
  // The one who asks may be inside a handler or run(): what is to be cancelled must not be running.
  loop_.post([this] { windDown(); });
}

void ActorProcess::stopAsAsked() {
  askedToStop_ = true;
  stop({.kind = ExitKind::shutdown});
}

void ActorProcess::windDown() {
  if (windingDown_ || !ending_ || server_.turnOpen()) return;
  windingDown_ = true;
  loop_.post([this] {
    run_.cancelAll();
    background_.cancelAll();
    if (!ready_) life_.cancelAll();
    if (!ready_ || class_.stopping == nullptr) {
      drained_ = true;
      return;
    }
    life_.spawn(class_.stopping(*actor_), [this] { drained_ = true; });
  });
}

void ActorProcess::endWhenDrained() {
  if (over_ || !drained_ || !control_.drained()) return;
  const std::size_t owed = outbox_.owedPackets();
  if (owed == 0) end(*ending_);
  // One that ends by itself waits as long as it takes.
  if (!askedToStop_ || owed == unsent_) return;
  // As long as somebody reads it goes on. Who has stopped before this actor reads no more.
  unsent_ = owed;
  unsentFor_.startIn(kPatience);
}

void ActorProcess::giveUpUnsent() {
  fault(path_ + " stops before " + std::to_string(unsent_) +
        " packet(s) of messages have left: nobody reads them");
  end(*ending_);
}

void ActorProcess::sayLeaving(const ExitReason& reason) {
  wire::ControlMessage message;
  wire::write(message->initLeaving(), reason);
  control_.send(std::move(message));
  if (leaving_) leaving_(reason);
}

void ActorProcess::crash(std::exception_ptr exception) {
  sayLeaving(
      limits_.memory > 0 && isBadAlloc(exception)
          ? ExitReason{.kind = ExitKind::memoryLimit, .text = std::to_string(limits_.memory) + " bytes"}
          : ExitReason{.kind = ExitKind::exception, .text = describe(exception)});
  os::endProcess(1);
}

void ActorProcess::end(const ExitReason& reason) {
  if (makesWay(reason)) return;
  sayLeaving(reason);
  os::endProcess(reason.clean()                                        ? 0
                 : reason.kind == ExitKind::exited && reason.code != 0 ? reason.code & 0xff
                                                                       : 1);
}

void ActorProcess::fault(const std::string& what) { std::fprintf(stderr, "%s\n", what.c_str()); }

void ActorProcess::introduce(mailbox::Destination to) {
  wire::ControlMessage message;
  auto introduce = message->initIntroduce();
  introduce.setActor(to.actor);
  introduce.setLane(static_cast<std::uint8_t>(to.lane));
  requests_.ask(std::move(message), [this, to](wire::ReceivedControl& answer) { onIntroduced(to, answer); });
}

void ActorProcess::onIntroduced(mailbox::Destination to, wire::ReceivedControl& answer) {
  os::killPoint("introduced");
  if (answer->isIntroduced() && answer.has(0)) {
    if (to.lane == wire::Lane::arena)
      return bodies_.introduced(to.actor, answer.take(0), !answer->getIntroduced().getGone());
    return outbox_.introduced(to, answer.take(0), answer->getIntroduced().getShared());
  }
  const Error why = answer->isFailed() ? wire::read(answer->getFailed())
                                       : Error::system("its address could not be received", EMFILE);
  // A caller that can't be answered just now, waits for its reply all the same.
  if (to.lane == wire::Lane::mailbox || why.kind() != ErrorKind::system) return closeLane(to, why);
  unreachable_.push_back(to);
  again_.startIn(kAskAgain);
}

void ActorProcess::closeLane(mailbox::Destination to, const Error& why) {
  if (to.lane == wire::Lane::arena) return bodies_.unreachable(to.actor);
  const auto before = outbox_.droppedMessages();
  outbox_.close(to);
  const auto dropped = outbox_.droppedMessages() - before;
  if (dropped > 0 && why.kind() == ErrorKind::system)
    fault(std::to_string(dropped) + " message(s) to actor " + std::to_string(to.actor) +
          " were dropped: " + why.message());
  if (to.lane == wire::Lane::mailbox) calls_.failCallee(to.actor, why);
}

void ActorProcess::watch(wire::ActorId actor) {
  wire::ControlMessage message;
  message->setWatch(actor);
  requests_.ask(std::move(message), [this, actor](wire::ReceivedControl& answer) {
    if (!answer->isFailed()) return;
    const Error why = wire::read(answer->getFailed());
    monitors_.tell(actor, {.path = {}, .generation = 0, .reason = why.exitReason(), .final = true});
  });
}

void ActorProcess::watchProcess(wire::ActorId actor, std::uint32_t generation) {
  wire::ControlMessage message;
  auto watch = message->initWatchProcess();
  watch.setActor(actor);
  watch.setGeneration(generation);
  requests_.ask(std::move(message), [this, actor, generation](wire::ReceivedControl& answer) {
    if (answer->isFailed()) {
      const Error why = wire::read(answer->getFailed());
      return monitors_.tell(
          actor, {.path = {}, .generation = generation, .reason = why.exitReason(), .final = true});
    }
    const auto watched = answer->getWatched();
    if (!watched.getEnded()) return;
    monitors_.tell(actor, {.path = {}, .generation = generation, .reason = wire::read(watched.getReason())},
                   true);
  });
}

void ActorProcess::onControl(wire::ReceivedControl& message) {
  if (message->getRequest() != 0) {
    requests_.answered(message);
    return;
  }
  switch (message->which()) {
    case wire::Control::STOP: return stopAsAsked();
    case wire::Control::HAND_OVER: return handOver();
    case wire::Control::TAKE_OVER: return takeBack(message);
    case wire::Control::DRAIN: return drain();
    case wire::Control::TAP: return message.has(0) ? server_.tap(message.take(0)) : void();
    case wire::Control::PING: {
      wire::ControlMessage pong;
      pong->setPong();
      return control_.send(std::move(pong));
    }
    default: return onNotice(message);
  }
}

void ActorProcess::onNotice(wire::ReceivedControl& message) {
  switch (message->which()) {
    case wire::Control::DOWN: {
      const auto down = message->getDown();
      return monitors_.tell(down.getActor(),
                            {.path = wire::toString(down.getPath()),
                             .generation = down.getGeneration(),
                             .reason = wire::read(down.getReason()),
                             .final = down.getFinal()},
                            down.getReplaced());
    }
    case wire::Control::GONE: {
      const auto gone = message->getGone();
      const ExitReason reason = wire::read(gone.getReason());
      bodies_.gone(gone.getActor());
      // Closed first: who learns of it and calls again at once must not be put with what is dropped here.
      outbox_.close({gone.getActor(), wire::Lane::mailbox});
      outbox_.close({gone.getActor(), wire::Lane::reply});
      return calls_.failCallee(gone.getActor(),
                               Error::gone("it has stopped for good: " + reason.toString(), reason));
    }
    case wire::Control::INTRODUCED: {
      const auto introduced = message->getIntroduced();
      const mailbox::Destination to{introduced.getActor(), static_cast<wire::Lane>(introduced.getLane())};
      if (to.lane == wire::Lane::reply && message.has(0)) outbox_.introduced(to, message.take(0));
      return;
    }
    case wire::Control::CALL_FAILED: {
      const auto failed = message->getCallFailed();
      return calls_.failCall(failed.getCall(), wire::read(failed.getReason()),
                             wire::toString(failed.getCallee()));
    }
    default: return;  // of a newer root: nothing that this version knows of
  }
}

}  // namespace troupe::actor
