#include "actor/server.h"

#include "os/kill_point.h"
#include "wire/message.h"

namespace troupe {

// Used for one message after the other.
struct Turn::State {
  explicit State(actor::Server& server) : server(server) {}

  actor::Server& server;
  std::uint64_t serial = 0;  // of the message; odd while its turn is open
  mailbox::Desk::Message message;
  wire::IncomingMessage incoming;
  loop::Clock::time_point deadline = loop::Clock::time_point::max();
  std::optional<wire::OutgoingMessage> outgoing;
  std::optional<std::pair<ErrorKind, std::string>> error;
  bool answersLater = false;
  Task<> task;
  mailbox::StagedMessages staged;

  const wire::EnvelopeHead& head() const { return incoming.head(); }
  bool isCall() const { return head().kind == wire::EnvelopeHead::call; }
  wire::OutgoingMessage& results() {
    if (!outgoing) {
      outgoing.emplace(&server.bodies_.own());
      outgoing->envelope().initResult().setCall(head().number);
    }
    return *outgoing;
  }
};

const capnp::word* Turn::plainParams() const { return state_->incoming.plainBodyAt(); }
capnp::AnyPointer::Reader Turn::checkedParams() const { return state_->incoming.checkedBody(); }
capnp::AnyPointer::Reader Turn::params() const { return state_->incoming.body(); }
capnp::AnyPointer::Builder Turn::results() const { return state_->results().body(); }
void Turn::refuse(std::string_view text) const { state_->error.emplace(ErrorKind::refused, text); }
detail::LaterCall Turn::later() const {
  state_->answersLater = true;
  return {.caller = state_->message.sender,
          .number = state_->head().number,
          .deadline = state_->head().deadline,
          .generation = state_->message.generation};
}
void Turn::goOnWith(Task<> task) const { state_->task = std::move(task); }

void Turn::malformed(std::string_view what) const {
  auto& server = state_->server;
  const std::string text = "a malformed message for " +
                           server.class_.methodName(state_->head().interface, state_->head().method) +
                           " of " + server.path_ + ": " + std::string(what);
  state_->error.emplace(ErrorKind::invalid, text);
  server.hooks_.fault(text);
}

namespace actor {

TurnName::TurnName(Turn::State& state) : state_(&state), serial_(state.serial) {}

Turn::State* TurnName::open() const {
  return state_ != nullptr && state_->serial == serial_ && serial_ % 2 == 1 ? state_ : nullptr;
}

namespace {
// So long messages are taken in a row; then timers, sockets and the other lanes have their turn.
constexpr auto kBurst = std::chrono::microseconds(100);
constexpr unsigned kBetweenLooks = 16;

// Whether the clock is looked at after so many of them: the first, 2, 4, 8, and then every 16. Where each takes long, two are enough to
// see it.
bool looksAtTheClock(unsigned taken) { return (taken & (taken - 1)) == 0 || taken % kBetweenLooks == 0; }

// The part of a turn that runs before its handler suspends, or all of it.
class FirstPart final : detail::Strand {
 public:
  explicit FirstPart(Turn::State& turn) {
    context = &turn;
    wake();
  }
  ~FirstPart() { sleep(); }
};

}  // namespace

Server::Server(loop::Loop& loop, const detail::ActorClass& actorClass, std::string path, mailbox::Desk& desk,
               mailbox::Outbox& outbox, mailbox::Journal& journal, Bodies& bodies, Hooks hooks)
    : loop_(loop),
      class_(actorClass),
      path_(std::move(path)),
      desk_(desk),
      outbox_(outbox),
      journal_(journal),
      bodies_(bodies),
      hooks_(std::move(hooks)),
      handlers_([this](std::exception_ptr exception) { hooks_.crash(std::move(exception)); }),
      mailbox_(loop, desk.mailboxFd(), loop::Interest::none, [this](bool, bool) { serveSome(); }) {
  desk_.setGate([this](const mailbox::Desk::Message& message) {
    return bodies_.canOpen(message.sender, message.words);
  });
}

Server::~Server() = default;

void Server::serve(ActorBase& actor, std::unique_ptr<WorkMeter> meter) {
  actor_ = &actor;
  meter_ = std::move(meter);
  serveSome();
}

void Server::stopTaking() {
  stopped_ = true;
  watchMailbox();
}

void Server::goOnTaking() {
  stopped_ = false;
  serveSoon();
}

void Server::watchMailbox() {
  mailbox_.want(canTake() && !desk_.full() && !desk_.keptBack() ? loop::Interest::readable
                                                                : loop::Interest::none);
}

void Server::look() {
  if (canTake() && !desk_.full() && !desk_.keptBack()) serveSome();
}

void Server::serveSome() {
  serving_ = true;
  const bool more = serveBurst();
  serving_ = false;
  // There may be more on the desk, of which the pipe knows nothing.
  if (more) return serveSoon();
  watchMailbox();
}

// True where there may be more to take.
bool Server::serveBurst() {
  auto until = loop::Clock::time_point::max();
  for (unsigned taken = 1;; ++taken) {
    if (!canTake()) return false;
    const auto message = desk_.next();
    if (!message) return false;
    ++arrivals_;
    handle(*message);
    if (!looksAtTheClock(taken)) continue;
    const auto now = loop::Clock::now();
    if (now >= until) return true;
    if (taken == 1) until = now + kBurst;
  }
}

void Server::serveSoon() {
  if (std::exchange(posted_, true)) return;
  loop_.post([this] {
    posted_ = false;
    serveSome();
  });
}

TurnName Server::currentTurn() {
  const auto* const strand = detail::Strand::current();
  if (strand == nullptr || strand->context == nullptr) return {};
  return TurnName(*static_cast<Turn::State*>(strand->context));
}

Caller Server::currentCaller() {
  const Turn::State* const turn = currentTurn().open();
  if (turn == nullptr)
    throw Error(ErrorKind::invalid, "asking for the caller: no message is being handled at this moment");
  return {turn->message.sender, turn->message.generation};
}

mailbox::Outbox::Put Server::cast(mailbox::Destination to, std::span<const std::byte> message,
                                  const TurnName& turn) {
  const auto room = outbox_.hasRoom(to, message.size());
  if (room == mailbox::Outbox::Put::gone) outbox_.discard(message);
  if (room != mailbox::Outbox::Put::placed) return room;
  try {
    if (Turn::State* const open = turn.open()) {
      holdBack(*open, to, message);
    } else {
      journal_.send(to, message, open_ == 0);
    }
  } catch (...) {
    outbox_.discard(message);
    throw;
  }
  return room;
}

void Server::answer(mailbox::Destination to, std::span<const std::byte> message,
                    loop::Clock::time_point deadline) {
  // The log is another process's from then on.
  if (outbox_.paused()) {
    outbox_.discard(message);
    throw Error::gone("answering a call later: this process of " + path_ + " has handed over to a newer one",
                      {});
  }
  try {
    if (Turn::State* const open = currentTurn().open()) {
      holdBack(*open, to, message, deadline);
    } else {
      journal_.send(to, message, open_ == 0, deadline);
    }
  } catch (...) {
    outbox_.discard(message);
    throw;
  }
}

void Server::holdBack(Turn::State& turn, mailbox::Destination to, std::span<const std::byte> message,
                      loop::Clock::time_point deadline) {
  using mailbox::StagedMessages;
  const std::size_t more = StagedMessages::bytesOf(message);
  if (heldBack_ + more > StagedMessages::kMostStaged) {
    throw Error(ErrorKind::overloaded,
                (open_ == 1 ? "this turn holds back "
                            : "the " + std::to_string(open_) + " open turns of this actor hold back ") +
                    std::to_string(heldBack_) + " bytes of casts and answers already, and with " +
                    std::to_string(more) + " more that would exceed " +
                    std::to_string(StagedMessages::kMostStaged));
  }
  turn.staged.add(to, message, deadline);
  heldBack_ += more;
}

std::byte* Server::place(mailbox::Destination to, std::size_t bytes) {
  const auto* const strand = detail::Strand::current();
  if (strand != nullptr && strand->context != nullptr) return nullptr;
  return journal_.place(to, bytes, open_ == 0);
}

bool Server::castAhead(mailbox::Destination to, std::span<const std::byte> message, const TurnName& turn) {
  if (turn.open() != nullptr || !outbox_.mayCommit(to, message.size())) return false;
  try {
    journal_.send(to, message, open_ == 0);
  } catch (const Error&) {
    return false;  // it is tried again when there is room
  }
  return true;
}

void Server::bodiesArrived() {
  if (desk_.keptBack() && canTake()) serveSoon();
}

void Server::drop(mailbox::MessageToken token) {
  desk_.finish(token);
  closeBody(token);
}

// Its message is done: whoever died before this, had its blocks freed by mailbox::settle().
void Server::closeBody(mailbox::MessageToken token) { openBodies_.erase({token.slot, token.index}); }

void Server::openBody(Turn::State& turn) {
  if (!turn.incoming.isLarge()) return;
  auto body = bodies_.open(turn.message.sender, turn.message.words);
  if (!body) return;
  turn.incoming.attach(body->segments);
  openBodies_[{turn.message.token.slot, turn.message.token.index}] = std::move(body);
}

Turn::State& Server::newTurn() {
  if (spare_ != nullptr) return *std::exchange(spare_, nullptr);
  if (free_.empty()) return *turns_.emplace_back(std::make_unique<Turn::State>(*this));
  Turn::State& turn = *free_.back();
  free_.pop_back();
  return turn;
}

void Server::recycle(Turn::State& turn) {
  if (turn.outgoing) turn.outgoing.reset();
  if (turn.error) turn.error.reset();
  turn.answersLater = false;
  if (!turn.staged.empty()) turn.staged.clear();
  if (spare_ != nullptr) free_.push_back(spare_);
  spare_ = &turn;
}

void Server::handle(const mailbox::Desk::Message& message) {
  Turn::State& turn = newTurn();
  try {
    if (begin(turn, message)) return handle(turn);
    refuse(turn, message, {});
  } catch (const kj::Exception& exception) {
    refuse(turn, message,
           std::string("a malformed message was dropped: ") + exception.getDescription().cStr());
  } catch (const Error& error) {
    refuse(turn, message,
           "a large message of actor " + std::to_string(message.sender) + " was dropped: " + error.message());
  }
}

void Server::refuse(Turn::State& turn, const mailbox::Desk::Message& message, const std::string& fault) {
  recycle(turn);
  drop(message.token);
  if (!fault.empty()) hooks_.fault(fault);
}

void Server::tap(os::Fd channel) {
  if (!tap_) tap_ = std::make_unique<Tap>();
  tap_->add(std::move(channel));
}

void Server::showTurn(const Turn::State& turn) {
  tap_->show(turn.message, turn.incoming);
  if (tap_->closed()) tap_.reset();
}

void Server::handle(Turn::State& turn) {
  if (tap_) showTurn(turn);
  ++open_;
  ++turn.serial;
  if (meter_) meter_->begun();
  try {
    dispatch(turn);
  } catch (...) {
    hooks_.crash(std::current_exception());
  }
}

// What the message asks for. False where it is none of this actor's business.
bool Server::begin(Turn::State& turn, const mailbox::Desk::Message& message) {
  turn.message = message;
  turn.incoming.read(message.words);
  openBody(turn);
  const wire::EnvelopeHead& head = turn.head();
  if (head.kind > wire::EnvelopeHead::cast) {
    hooks_.fault("a message in the mailbox is neither a call nor a cast");
    return false;
  }
  turn.deadline = loop::Clock::time_point::max();
  if (head.deadline == 0) return true;
  turn.deadline = loop::Clock::time_point(std::chrono::nanoseconds(head.deadline));
  // False where nobody waits for it any more.
  return turn.deadline > loop::Clock::now();
}

void Server::dispatch(Turn::State& state) {
  Turn turn(state);
  const FirstPart running(state);
  const wire::EnvelopeHead& head = state.head();
  if (!class_.dispatch(*actor_, head.interface, head.method, turn)) {
    char text[128];
    std::snprintf(text, sizeof text,
                  " serves no method %u of interface 0x%016llx: is the sender newer than it?",
                  unsigned{head.method}, static_cast<unsigned long long>(head.interface));
    state.error.emplace(ErrorKind::invalid, path_ + text);
    if (!state.isCall()) hooks_.fault("a cast was dropped: " + path_ + text);
  }
  if (!state.task.valid()) return finish(state);
  Task<> task = std::move(state.task);
  handlers_.spawn(std::move(task), [this, &state] { finish(state); }, &state);
}

void Server::finish(Turn::State& turn) {
  heldBack_ -= turn.staged.bytes();
  if (turn.isCall() && !turn.answersLater) stageAnswer(turn);
  ++turn.serial;
  os::killPoint("handled");
  // What the actor keeps is shared by all turns that are open: it is kept with the one that ends.
  journal_.commit(turn.message.token, turn.staged, true);
  // Who is answered has the memory of what he has sent.
  if (!openBodies_.empty()) closeBody(turn.message.token);
  outbox_.flush();
  recycle(turn);
  --open_;
  if (meter_ && meter_->ended(open_ == 0)) hooks_.worn();
  if (open_ == 0 && stopped_) return hooks_.idle();
  // After a turn that was suspended nobody is in the loop of serveBurst().
  if (!serving_ && canTake()) serveSoon();
}

void Server::stageAnswer(Turn::State& turn) {
  if (turn.error) return stageError(turn, turn.error->first, turn.error->second);
  try {
    const auto purpose = [&] {
      return "the reply to " + class_.methodName(turn.head().interface, turn.head().method) + " of " + path_;
    };
    const auto bytes = turn.results().finish(purpose);
    try {
      turn.staged.add({turn.message.sender, wire::Lane::reply}, bytes, turn.deadline);
    } catch (const Error&) {
      outbox_.discard(bytes);
      throw;
    }
  } catch (const Error& error) {
    stageError(turn, error.kind(), error.message());
  }
}

void Server::stageError(Turn::State& turn, ErrorKind kind, const std::string& text) {
  wire::OutgoingMessage message;
  turn.staged.add({turn.message.sender, wire::Lane::reply},
                  wire::finishError(message, turn.head().number, kind, text), turn.deadline);
}

}  // namespace actor
}  // namespace troupe
