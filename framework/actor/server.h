// Takes messages off the desk, gives each to the actor's handler as a turn, and sends the answers.
//
// One turn at a time, but for a reentrant actor. A turn is committed when its handler has ended: only then is its message done,
// only then do its answer and its casts leave, and all of that survives this process.
#pragma once

#include <troupe/actor.h>
#include <troupe/actor_class.h>

#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "actor/bodies.h"
#include "actor/tap.h"
#include "actor/work_meter.h"
#include "loop/loop.h"
#include "loop/task_group.h"
#include "mailbox/desk.h"
#include "mailbox/journal.h"

namespace troupe::actor {

// Names a turn, also when it is over.
class TurnName {
 public:
  TurnName() = default;
  explicit TurnName(Turn::State& state);
  // Null, where it is over.
  Turn::State* open() const;

 private:
  Turn::State* state_ = nullptr;
  std::uint64_t serial_ = 0;
};

class Server {
 public:
  struct Hooks {
    std::function<void(const std::string& what)> fault;
    std::function<void(std::exception_ptr)> crash;  // an exception left a handler
    std::function<void()> idle;                     // the last turn that was open is over
    std::function<void()> worn;                     // it has handled as many messages as it may
  };
  Server(loop::Loop& loop, const detail::ActorClass& actorClass, std::string path, mailbox::Desk& desk,
         mailbox::Outbox& outbox, mailbox::Journal& journal, Bodies& bodies, Hooks hooks);
  ~Server();

  // From here on messages are taken, for this actor, and metered where there is a meter.
  void serve(ActorBase& actor, std::unique_ptr<WorkMeter> meter);
  // No further message is begun, until goOnTaking().
  void stopTaking();
  void goOnTaking();
  bool turnOpen() const { return open_ > 0; }
  // Takes what is there now, though nobody has said so.
  void look();
  // Messages that were taken.
  std::uint64_t arrivals() const { return arrivals_; }
  // A message that the desk kept back may be taken now.
  void bodiesArrived();
  // Each message that is begun from here on is shown there, too.
  void tap(os::Fd channel);

  // A cast of what runs at this moment: held back until the end of its turn, or sent at once outside of any.
  mailbox::Outbox::Put cast(mailbox::Destination to, std::span<const std::byte> message,
                            const TurnName& turn);
  // The same of one that has no room, and that somebody awaits: outside of any turn it is sent now, together with what was changed
  // of the kept state before it. False where it must wait.
  bool castAhead(mailbox::Destination to, std::span<const std::byte> message, const TurnName& turn);
  // An answer to a call whose turn is over: held back and sent as a cast is. Errors: overloaded.
  void answer(mailbox::Destination to, std::span<const std::byte> message, loop::Clock::time_point deadline);
  // Where a cast of so many bytes is made in its place, outside of any turn; it counts from placed() on. Null where it must be made
  // elsewhere, for cast().
  std::byte* place(mailbox::Destination to, std::size_t bytes);
  void placed(std::size_t bytes) { journal_.placed(bytes); }
  // The turn that runs at this moment; one that is over, if there is none.
  static TurnName currentTurn();
  // Who sent the message of the turn that runs at this moment. Errors: invalid, where there is none.
  static Caller currentCaller();

 private:
  friend class troupe::Turn;
  // Inline is what each message passes, and server.cc alone defines and calls.
  void serveSome();
  inline bool serveBurst();
  void serveSoon();
  bool canTake() const { return actor_ != nullptr && !stopped_ && (open_ == 0 || class_.reentrant); }
  inline void handle(const mailbox::Desk::Message& message);
  inline Turn::State& newTurn();
  inline void recycle(Turn::State& turn);
  inline bool begin(Turn::State& turn, const mailbox::Desk::Message& message);
  inline void handle(Turn::State& turn);
  void showTurn(const Turn::State& turn);
  void refuse(Turn::State& turn, const mailbox::Desk::Message& message, const std::string& fault);
  inline void dispatch(Turn::State& turn);
  void finish(Turn::State& turn);
  void stageAnswer(Turn::State& turn);
  void stageError(Turn::State& turn, ErrorKind kind, const std::string& text);
  void watchMailbox();
  void drop(mailbox::MessageToken token);
  void closeBody(mailbox::MessageToken token);
  void openBody(Turn::State& turn);
  void holdBack(Turn::State& turn, mailbox::Destination to, std::span<const std::byte> message,
                loop::Clock::time_point deadline = loop::Clock::time_point::max());

  loop::Loop& loop_;
  const detail::ActorClass& class_;
  std::string path_;
  mailbox::Desk& desk_;
  mailbox::Outbox& outbox_;
  mailbox::Journal& journal_;
  Bodies& bodies_;
  // Of the large messages that are not done; by their tokens.
  std::map<std::pair<unsigned, unsigned>, std::shared_ptr<Bodies::Body>> openBodies_;
  Hooks hooks_;
  std::unique_ptr<Tap> tap_;  // null: nobody looks on
  ActorBase* actor_ = nullptr;
  std::unique_ptr<WorkMeter> meter_;
  bool stopped_ = false;
  bool posted_ = false;
  bool serving_ = false;  // messages are being taken, one after the other
  unsigned open_ = 0;
  std::uint64_t arrivals_ = 0;
  std::size_t heldBack_ = 0;  // bytes of casts, of all turns that are open
  // All there ever were; those that are free are used again, the last one first.
  std::vector<std::unique_ptr<Turn::State>> turns_;
  std::vector<Turn::State*> free_;
  Turn::State* spare_ = nullptr;  // the last one
  loop::TaskGroup handlers_;
  loop::Poll mailbox_;
};

}  // namespace troupe::actor
