// The side of a topic that its users see.
#include <troupe/topic.h>

#include "actors/waiting.h"
#include "schemas/feed.actor.h"

namespace troupe::detail {

namespace {

using actors::TopicProtocol;

// Messages in one answer, at most.
constexpr std::uint32_t kMostAtOnce = 64;

}  // namespace

// Tasks run when they are awaited, where the one who made them may have gone: they have what they need for themselves.
Task<std::uint64_t> TopicClient::publish(TopicClient client, FillValue fill) {
  const Ref<TopicProtocol> topic(client);
  const Duration wait = client.deadline();
  auto call =
      topic.within(actors::callWithin(wait)).publish([&](TopicProtocol::PublishParams::Builder params) {
        fill(params.getValue());
        params.setWait(actors::waitOf(wait));
        params.setType(client.type_);
      });
  const auto reply = co_await call;
  if (reply->getNumber() != 0) co_return reply->getNumber();
  throw actors::waitedInVain("publishing a message in the topic " + client.path() + ": there was no room",
                             wait);
}

Task<std::shared_ptr<MessageFeed>> TopicClient::subscribe(TopicClient client,
                                                          std::optional<std::uint64_t> after) {
  auto feed = std::make_shared<MessageFeed>(client, kMostAtOnce, "the topic");
  const Ref<TopicProtocol> topic(client);
  auto call = topic.within(actors::callWithin(client.deadline()))
                  .subscribe(feed->ticket(), after.has_value(), after.value_or(0), client.type_);
  const auto reply = co_await call;
  feed->beginAfter(reply->getAfter());
  co_return feed;
}

Task<> TopicClient::close(TopicClient client) { co_await Ref<TopicProtocol>(client).close(); }

Task<TopicStatus> TopicClient::status(TopicClient client) {
  const auto reply = co_await Ref<TopicProtocol>(client).status();
  co_return TopicStatus{.last = reply->getLast(),
                        .messages = reply->getMessages(),
                        .bytes = reply->getBytes(),
                        .subscribers = reply->getSubscribers(),
                        .reading = reply->getReading(),
                        .publishing = reply->getPublishing(),
                        .closed = reply->getClosed()};
}

ServedProtocol servedByTopics() { return {Protocol<TopicProtocol>::kId, Protocol<TopicProtocol>::kName}; }

}  // namespace troupe::detail
