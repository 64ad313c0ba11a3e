#include "actor/server.h"

#include "actor/recycled.h"
#include "os/kill_point.h"
#include "wire/message.h"

namespace troupe {

struct Turn::State : std::enable_shared_from_this<Turn::State> {
  State(actor::Server& server, const mailbox::Desk::Message& taken)
      : server(server), message(taken), incoming(taken.words) {}

  actor::Server& server;
  mailbox::Desk::Message message;
  wire::IncomingMessage incoming;
  bool isCall = false;
  std::uint64_t call = 0;
  std::uint64_t interfaceId = 0;
  std::uint16_t method = 0;
  loop::Clock::time_point deadline = loop::Clock::time_point::max();
  std::optional<wire::OutgoingMessage> outgoing;
  std::optional<std::pair<ErrorKind, std::string>> error;
  Task<> task;
  mailbox::StagedMessages staged;
  bool over = false;

  wire::OutgoingMessage& results() {
    if (!outgoing) {
      outgoing.emplace(&server.bodies_.own());
      outgoing->envelope().initResult().setCall(call);
    }
    return *outgoing;
  }
};

bool Turn::isPlain() const { return state_->incoming.isPlain(); }
capnp::AnyPointer::Reader Turn::checkedParams() const { return state_->incoming.checkedBody(); }
capnp::AnyPointer::Reader Turn::params() const { return state_->incoming.body(); }
capnp::AnyPointer::Builder Turn::results() const { return state_->results().body(); }
void Turn::refuse(std::string_view text) const { state_->error.emplace(ErrorKind::refused, text); }
void Turn::goOnWith(Task<> task) const { state_->task = std::move(task); }

void Turn::malformed(std::string_view what) const {
  auto& server = state_->server;
  const std::string text = "a malformed message for " +
                           server.class_.methodName(state_->interfaceId, state_->method) + " of " +
                           server.path_ + ": " + std::string(what);
  state_->error.emplace(ErrorKind::invalid, text);
  server.hooks_.fault(text);
}

namespace actor {

namespace {
// So many messages in a row; then timers, sockets and the other lanes have their turn.
constexpr unsigned kBurst = 64;

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

void Server::serve(ActorBase& actor) {
  actor_ = &actor;
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

bool Server::canTake() const { return actor_ != nullptr && !stopped_ && (open_ == 0 || class_.reentrant); }

void Server::watchMailbox() {
  mailbox_.want(canTake() && !desk_.full() && !desk_.keptBack() ? loop::Interest::readable
                                                                : loop::Interest::none);
}

void Server::look() {
  if (canTake() && !desk_.full() && !desk_.keptBack()) serveSome();
}

void Server::serveSome() {
  for (unsigned i = 0; i < kBurst; ++i) {
    if (!canTake()) return watchMailbox();
    const auto message = desk_.next();
    if (!message) return watchMailbox();
    ++arrivals_;
    handle(*message);
  }
  // There may be more on the desk, of which the pipe knows nothing.
  serveSoon();
}

void Server::serveSoon() {
  if (std::exchange(posted_, true)) return;
  loop_.post([this] {
    posted_ = false;
    serveSome();
  });
}

std::weak_ptr<Turn::State> Server::currentTurn() {
  const auto* const strand = detail::Strand::current();
  if (strand == nullptr || strand->context == nullptr) return {};
  return static_cast<Turn::State*>(strand->context)->weak_from_this();
}

mailbox::Outbox::Put Server::cast(mailbox::Destination to, std::span<const std::byte> message,
                                  const std::weak_ptr<Turn::State>& turn) {
  const auto room = outbox_.hasRoom(to, message.size());
  if (room == mailbox::Outbox::Put::gone) outbox_.discard(message);
  if (room != mailbox::Outbox::Put::placed) return room;
  const auto open = turn.lock();
  try {
    if (open && !open->over) {
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

void Server::holdBack(Turn::State& turn, mailbox::Destination to, std::span<const std::byte> message) {
  using mailbox::StagedMessages;
  const std::size_t more = StagedMessages::bytesOf(message);
  if (heldBack_ + more > StagedMessages::kMostStaged) {
    throw Error(ErrorKind::overloaded,
                (open_ == 1 ? "this turn holds back "
                            : "the " + std::to_string(open_) + " open turns of this actor hold back ") +
                    std::to_string(heldBack_) + " bytes of casts already, and with " + std::to_string(more) +
                    " more that would exceed " + std::to_string(StagedMessages::kMostStaged));
  }
  turn.staged.add(to, message);
  heldBack_ += more;
}

bool Server::castAhead(mailbox::Destination to, std::span<const std::byte> message,
                       const std::weak_ptr<Turn::State>& turn) {
  const auto open = turn.lock();
  if ((open && !open->over) || !outbox_.mayCommit(to, message.size())) return false;
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
void Server::closeBody(mailbox::MessageToken token) {
  if (!openBodies_.empty()) openBodies_.erase({token.slot, token.index});
}

void Server::openBody(Turn::State& turn) {
  if (!turn.incoming.isLarge()) return;
  auto body = bodies_.open(turn.message.sender, turn.message.words);
  if (!body) return;
  turn.incoming.attach(body->segments);
  openBodies_[{turn.message.token.slot, turn.message.token.index}] = std::move(body);
}

void Server::handle(const mailbox::Desk::Message& message) {
  std::shared_ptr<Turn::State> turn;
  try {
    turn = std::allocate_shared<Turn::State>(Recycled<Turn::State>(), *this, message);
    openBody(*turn);
    if (!begin(*turn)) return drop(message.token);
  } catch (const kj::Exception& exception) {
    drop(message.token);
    return hooks_.fault(std::string("a malformed message was dropped: ") + exception.getDescription().cStr());
  } catch (const Error& error) {
    drop(message.token);
    return hooks_.fault("a large message of actor " + std::to_string(message.sender) +
                        " was dropped: " + error.message());
  }
  ++open_;
  try {
    dispatch(std::move(turn));
  } catch (...) {
    hooks_.crash(std::current_exception());
  }
}

// What the message asks for. False where it is none of this actor's business.
bool Server::begin(Turn::State& turn) {
  const wire::EnvelopeHead& head = turn.incoming.head();
  if (head.kind != wire::EnvelopeHead::call && head.kind != wire::EnvelopeHead::cast) {
    hooks_.fault("a message in the mailbox is neither a call nor a cast");
    return false;
  }
  turn.isCall = head.kind == wire::EnvelopeHead::call;
  turn.call = head.number;
  turn.interfaceId = head.interface;
  turn.method = head.method;
  if (head.deadline == 0) return true;
  turn.deadline = loop::Clock::time_point(std::chrono::nanoseconds(head.deadline));
  // False where nobody waits for it any more.
  return turn.deadline > loop::Clock::now();
}

void Server::dispatch(std::shared_ptr<Turn::State> state) {
  Turn turn(*state);
  const FirstPart running(*state);
  if (!class_.dispatch(*actor_, state->interfaceId, state->method, turn)) {
    char text[128];
    std::snprintf(text, sizeof text,
                  " serves no method %u of interface 0x%016llx: is the sender newer than it?",
                  unsigned{state->method}, static_cast<unsigned long long>(state->interfaceId));
    state->error.emplace(ErrorKind::invalid, path_ + text);
    if (!state->isCall) hooks_.fault("a cast was dropped: " + path_ + text);
  }
  if (!state->task.valid()) return finish(*state);
  Task<> task = std::move(state->task);
  Turn::State* const context = state.get();
  handlers_.spawn(std::move(task), [this, state] { finish(*state); }, context);
}

void Server::finish(Turn::State& turn) {
  heldBack_ -= turn.staged.bytes();
  if (turn.isCall) stageAnswer(turn);
  turn.over = true;
  os::killPoint("handled");
  // What the actor keeps is shared by all turns that are open: it is kept with the one that ends.
  journal_.commit(turn.message.token, turn.staged, true);
  closeBody(turn.message.token);
  outbox_.flush();
  --open_;
  if (open_ == 0 && stopped_) return hooks_.idle();
  // After a turn that was suspended nobody is in the loop of serveSome().
  if (canTake()) serveSoon();
}

void Server::stageAnswer(Turn::State& turn) {
  if (turn.error) return stageError(turn, turn.error->first, turn.error->second);
  try {
    const auto purpose = [&] {
      return "the reply to " + class_.methodName(turn.interfaceId, turn.method) + " of " + path_;
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
  constexpr std::size_t kMaxText = 2048;
  wire::OutgoingMessage message;
  auto error = message.envelope().initError();
  error.setCall(turn.call);
  error.setKind(static_cast<std::uint16_t>(kind));
  error.setMessage(text.substr(0, kMaxText).c_str());
  turn.staged.add({turn.message.sender, wire::Lane::reply}, message.finish("an error"), turn.deadline);
}

}  // namespace actor
}  // namespace troupe
