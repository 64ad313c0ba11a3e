// Takes messages off the desk, gives each to the actor's handler as a turn, and sends the answers.
//
// One turn at a time, but for a reentrant actor. A message leaves the desk when its handler has ended and, if it was a call,
// its answer has left this process: so a call whose answer could not leave is reported to its caller as in hand.
#pragma once

#include <troupe/actor.h>
#include <troupe/actor_class.h>

#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "actor/bodies.h"
#include "loop/loop.h"
#include "loop/task_group.h"
#include "mailbox/desk.h"
#include "mailbox/outbox.h"

namespace troupe::actor {

class Server {
 public:
  struct Hooks {
    std::function<void(const std::string& what)> fault;
    std::function<void(std::exception_ptr)> crash;  // an exception left a handler
    std::function<void()> idle;                     // the last turn that was open is over
  };
  Server(loop::Loop& loop, const detail::ActorClass& actorClass, std::string path, mailbox::Desk& desk,
         mailbox::Outbox& outbox, Bodies& bodies, Hooks hooks);
  ~Server();

  // From here on messages are taken, for this actor.
  void serve(ActorBase& actor);
  // No further message is begun.
  void stopTaking();
  bool turnOpen() const { return open_ > 0; }
  // An answer has left, and its message is over.
  void answered(mailbox::MessageToken token);
  // A message that the desk kept back may be taken now.
  void bodiesArrived();

 private:
  friend class troupe::Turn;
  void serveSome();
  void serveSoon();
  bool canTake() const;
  void handle(const mailbox::Desk::Message& message);
  bool begin(Turn::State& turn);
  void dispatch(std::shared_ptr<Turn::State> turn);
  void finish(Turn::State& turn);
  void answer(Turn::State& turn);
  void answerError(Turn::State& turn, ErrorKind kind, const std::string& text);
  void watchMailbox();
  void done(mailbox::MessageToken token);
  void openBody(Turn::State& turn);

  loop::Loop& loop_;
  const detail::ActorClass& class_;
  std::string path_;
  mailbox::Desk& desk_;
  mailbox::Outbox& outbox_;
  Bodies& bodies_;
  // Of the large messages that are not done; by their tokens.
  std::map<std::pair<unsigned, unsigned>, std::shared_ptr<Bodies::Body>> openBodies_;
  Hooks hooks_;
  ActorBase* actor_ = nullptr;
  bool stopped_ = false;
  bool posted_ = false;
  unsigned open_ = 0;
  loop::TaskGroup handlers_;
  loop::Poll mailbox_;
};

}  // namespace troupe::actor
