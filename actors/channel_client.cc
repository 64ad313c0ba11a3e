// The side of a channel that its users see.
#include <troupe/channel.h>

#include "actors/waiting.h"
#include "schemas/feed.actor.h"

namespace troupe::detail {

namespace {

using actors::ChannelProtocol;

// In an answer to who receives: so that no more than one is received again where it dies.
constexpr std::uint32_t kReceivedAtOnce = 1;

ChannelEndStatus statusOf(ChannelProtocol::End::Reader end) {
  return {.owned = end.getOwned(),
          .gone = end.getGone(),
          .claiming = end.getClaiming(),
          .unread = end.getUnread(),
          .receiving = end.getReading(),
          .sending = end.getSending()};
}

}  // namespace

// Tasks run when they are awaited, where the one who made them may have gone: they have what they need for themselves.
Task<std::shared_ptr<MessageFeed>> ChannelClient::claim(ChannelClient client, std::uint8_t end) {
  auto feed = std::make_shared<MessageFeed>(client, kReceivedAtOnce, "the channel");
  const Ref<ChannelProtocol> channel(client);
  const Duration wait = client.deadline();
  auto call =
      channel.within(actors::callWithin(wait)).claim(end, feed->ticket(), actors::waitOf(wait), client.type_);
  const auto reply = co_await call;
  if (!reply->getGranted())
    throw actors::waitedInVain(std::string("claiming the ") + (end == 0 ? "first" : "second") +
                                   " end of the channel " + client.path() + ": it was not free",
                               wait);
  feed->beginAfter(reply->getAfter());
  co_return feed;
}

Task<ChannelStatus> ChannelClient::status(ChannelClient client) {
  const auto reply = co_await Ref<ChannelProtocol>(client).status();
  co_return ChannelStatus{.first = statusOf(reply->getFirst()), .second = statusOf(reply->getSecond())};
}

Task<> sendFrom(std::shared_ptr<MessageFeed> end, FillValue fill, Duration wait) {
  const Ref<ChannelProtocol> channel(end->log());
  auto call = channel.within(actors::callWithin(wait)).send([&](ChannelProtocol::SendParams::Builder params) {
    fill(params.getValue());
    params.setTicket(end->ticket());
    params.setWait(actors::waitOf(wait));
  });
  const auto reply = co_await call;
  if (reply->getNumber() == 0)
    throw actors::waitedInVain("sending through the channel " + end->log().path() + ": there was no room",
                               wait);
}

Task<> finishEnd(std::shared_ptr<MessageFeed> end) {
  co_await Ref<ChannelProtocol>(end->log()).within(kForever).finish(end->ticket());
}

Task<> closeEnd(std::shared_ptr<MessageFeed> end) {
  co_await Ref<ChannelProtocol>(end->log()).within(kForever).close(end->ticket());
}

ServedProtocol servedByChannels() {
  return {Protocol<ChannelProtocol>::kId, Protocol<ChannelProtocol>::kName};
}

}  // namespace troupe::detail
