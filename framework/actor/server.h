// Takes messages off the desk, gives each to the actor's handler as a turn, and sends the answers.
//
// One turn at a time, but for a reentrant actor. A message leaves the desk when its handler has ended and, if it was a call,
// its answer has left this process: so a call whose answer could not leave is reported to its caller as in hand.
#pragma once

#include <troupe/actor.h>
#include <troupe/actor_class.h>

#include <functional>
#include <memory>
#include <unordered_set>

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
         mailbox::Outbox& outbox, Hooks hooks);
  ~Server();

  // From here on messages are taken, for this actor.
  void serve(ActorBase& actor);
  // No further message is begun.
  void stopTaking();
  bool turnOpen() const { return open_ > 0; }
  // An answer has left, and its message is over.
  void answered(mailbox::MessageToken token);

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

  loop::Loop& loop_;
  const detail::ActorClass& class_;
  std::string path_;
  mailbox::Desk& desk_;
  mailbox::Outbox& outbox_;
  Hooks hooks_;
  ActorBase* actor_ = nullptr;
  bool stopped_ = false;
  bool posted_ = false;
  unsigned open_ = 0;
  loop::TaskGroup handlers_;
  loop::Poll mailbox_;
};

}  // namespace troupe::actor
