// The side of a queue that its users see.
#include <troupe/queue.h>

#include "actor/actor_process.h"
#include "actors/waiting.h"
#include "schemas/queue.actor.h"

namespace troupe::detail {

namespace {

using actors::QueueProtocol;

std::uint64_t nextTicket() {
  static std::uint64_t last = 0;
  return ++last;
}

Task<> castBack(RefBase queue, std::uint64_t ticket) {
  co_await Ref<QueueProtocol>(std::move(queue)).giveBack(ticket);
}

// What a get has got, or will, goes back where nobody gets hold of it.
class OpenTicket {
 public:
  explicit OpenTicket(RefBase queue) : queue_(std::move(queue)) {}
  OpenTicket(const OpenTicket&) = delete;
  ~OpenTicket() {
    if (ticket_ != 0) actor::ActorProcess::current().spawn(castBack(queue_, ticket_));
  }
  std::uint64_t number() const { return ticket_; }
  std::uint64_t close() { return std::exchange(ticket_, 0); }

 private:
  RefBase queue_;
  std::uint64_t ticket_ = nextTicket();
};

}  // namespace

QueueItem::QueueItem(RefBase queue, std::uint64_t ticket, std::shared_ptr<const void> reply,
                     capnp::AnyPointer::Reader value, std::uint64_t number, std::uint32_t times, bool done)
    : queue_(std::move(queue)),
      ticket_(ticket),
      reply_(std::move(reply)),
      value_(value),
      number_(number),
      times_(times),
      done_(done) {}

QueueItem& QueueItem::operator=(QueueItem&& other) noexcept {
  if (this == &other) return *this;
  giveBack();
  queue_ = other.queue_;
  ticket_ = other.ticket_;
  reply_ = std::move(other.reply_);
  value_ = other.value_;
  number_ = other.number_;
  times_ = other.times_;
  done_ = std::exchange(other.done_, true);
  return *this;
}

void QueueItem::giveBack() {
  if (!std::exchange(done_, true)) actor::ActorProcess::current().spawn(castBack(queue_, ticket_));
}

Task<> QueueItem::done() {
  if (!*this) throw Error(ErrorKind::invalid, "finishing an item of a queue: nothing was got");
  co_await Ref<QueueProtocol>(queue_).within(kForever).done(number_);
  done_ = true;
}

// Tasks run when they are awaited, where the one who made them may have gone: they have what they need for themselves.
Task<bool> QueueClient::put(QueueClient client, FillValue fill, Duration wait, bool mayBeFull) {
  const Ref<QueueProtocol> queue(client);
  auto call = queue.within(actors::callWithin(wait)).put([&](QueueProtocol::PutParams::Builder params) {
    fill(params.getItem());
    params.setWait(actors::waitOf(wait));
    params.setType(client.type_);
  });
  const auto reply = co_await call;
  if (!reply->getFull()) co_return true;
  if (mayBeFull) co_return false;
  throw actors::waitedInVain("putting an item into the queue " + client.path() + ": there was no room", wait);
}

Task<QueueItem> QueueClient::get(QueueClient client, Duration wait, bool take, bool mayBeEmpty) {
  const Ref<QueueProtocol> queue(client);
  OpenTicket ticket(client);
  auto call =
      queue.within(actors::callWithin(wait)).get(ticket.number(), actors::waitOf(wait), take, client.type_);
  auto reply = std::make_shared<Reply<QueueProtocol::GetResults>>(co_await call);
  const std::uint64_t number = ticket.close();
  const QueueProtocol::GetResults::Reader got = **reply;
  switch (got.getOutcome()) {
    case QueueProtocol::Outcome::ITEM:
      co_return QueueItem(client, number, reply, got.getItem(), got.getNumber(), got.getTimes(), take);
    case QueueProtocol::Outcome::CLOSED: co_return QueueItem();
    case QueueProtocol::Outcome::EMPTY: break;
  }
  if (mayBeEmpty) co_return QueueItem();
  throw actors::waitedInVain("getting an item of the queue " + client.path() + ": there was none", wait);
}

Task<> QueueClient::join(QueueClient client) {
  const Ref<QueueProtocol> queue(client);
  const Duration wait = client.deadline();
  auto call = queue.within(actors::callWithin(wait)).join(actors::waitOf(wait));
  const auto reply = co_await call;
  if (!reply->getDone())
    throw actors::waitedInVain("joining the queue " + client.path() + ": items are not done", wait);
}

Task<QueueSize> QueueClient::size(QueueClient client) {
  const auto reply = co_await Ref<QueueProtocol>(client).size();
  co_return QueueSize{.queued = reply->getQueued(),
                      .taken = reply->getTaken(),
                      .putting = reply->getPutting(),
                      .getting = reply->getGetting(),
                      .capacity = reply->getCapacity(),
                      .closed = reply->getClosed()};
}

Task<> QueueClient::close(QueueClient client) { co_await Ref<QueueProtocol>(client).close(); }

ServedProtocol servedByQueues() { return {Protocol<QueueProtocol>::kId, Protocol<QueueProtocol>::kName}; }

}  // namespace troupe::detail
