#include <troupe/message_feed.h>

#include <utility>

#include "actor/actor_process.h"
#include "actors/waiting.h"
#include "schemas/feed.actor.h"

namespace troupe::detail {

namespace {

using actors::FeedProtocol;
using actors::ReadAnswer;

std::uint64_t nextFeed() {
  static std::uint64_t last = 0;
  return ++last;
}

Task<> castFeedBack(RefBase log, std::uint64_t ticket) {
  try {
    co_await Ref<FeedProtocol>(std::move(log)).letGo(ticket);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::gone) throw;  // else this process has handed over, and counts as ended
  }
}

// One at a time may ask.
class Asking {
 public:
  explicit Asking(bool& asking) : asking_(asking) { asking_ = true; }
  Asking(const Asking&) = delete;
  ~Asking() { asking_ = false; }

 private:
  bool& asking_;
};

}  // namespace

MessageFeed::MessageFeed(RefBase log, std::uint32_t most, const char* what)
    : log_(std::move(log)), most_(most), what_(what), ticket_(nextFeed()) {}

MessageFeed::~MessageFeed() { actor::ActorProcess::current().spawn(castFeedBack(log_, ticket_)); }

Error MessageFeed::behind(std::uint64_t missed) const {
  return Error(ErrorKind::overloaded, std::string("reading ") + what_ + " " + log_.path() +
                                          ": this subscription was too slow, and has ended; it has missed " +
                                          std::to_string(missed) + " messages");
}

Task<bool> MessageFeed::fetch(std::shared_ptr<MessageFeed> feed, Duration wait) {
  MessageFeed& to = *feed;
  if (!to.told_.empty()) co_return true;
  if (to.asking_)
    throw Error(ErrorKind::invalid,
                std::string("reading ") + to.what_ + " " + to.log_.path() +
                    ": somebody waits for the next message already, and one at a time may");
  const Asking asking(to.asking_);
  const Ref<FeedProtocol> log(to.log_);
  auto call =
      log.within(actors::callWithin(wait)).read(to.ticket_, to.after_, to.most_, actors::waitOf(wait));
  auto reply = std::make_shared<Reply<ReadAnswer>>(co_await call);
  const ReadAnswer::Reader answer = **reply;
  if (answer.getOutcome() == ReadAnswer::Outcome::BEHIND) throw to.behind(answer.getMissed());
  std::uint64_t number = answer.getFirst();
  std::uint64_t missed = answer.getMissed();
  for (const auto message : answer.getMessages()) {
    to.told_.push_back({.reply = reply,
                        .value = message.getValue(),
                        .number = number,
                        .missed = std::exchange(missed, 0),
                        .again = number - answer.getFirst() < answer.getAgain()});
    ++number;
  }
  co_return answer.getOutcome() != ReadAnswer::Outcome::NOTHING;
}

Task<FedMessage> MessageFeed::next(std::shared_ptr<MessageFeed> feed, Duration wait) {
  const bool came = co_await fetch(feed, wait);
  if (!came)
    throw actors::waitedInVain(
        std::string("reading ") + feed->what_ + " " + feed->log_.path() + ": no message came", wait);
  if (feed->told_.empty()) co_return FedMessage();
  FedMessage message = std::move(feed->told_.front());
  feed->told_.pop_front();
  feed->after_ = message.number;
  co_return message;
}

Task<bool> MessageFeed::poll(std::shared_ptr<MessageFeed> feed, Duration wait) { return fetch(feed, wait); }

}  // namespace troupe::detail
