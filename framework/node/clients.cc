#include "node/clients.h"

#include <troupe/error.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "os/socket.h"
#include "wire/reason_codec.h"

namespace troupe::node {

namespace {
// In control messages a client is called "::7": no path begins so, and no id of a child has a colon in front.
constexpr std::string_view kPrefix = "::";
constexpr unsigned kBurst = 8;
constexpr auto kAcceptAgain = std::chrono::milliseconds(200);
}  // namespace

Clients::Clients(loop::Loop& loop, std::string key, ClientRequests requests, Warn warn)
    : loop_(loop),
      key_(std::move(key)),
      requests_(std::move(requests)),
      warn_(std::move(warn)),
      again_(loop, [this] {
        if (poll_) poll_->want(loop::Interest::readable);
      }) {}

Clients::~Clients() {
  if (listener_.valid()) os::removeClientSocket(socket_);
}

void Clients::open(const std::string& app) {
  try {
    const std::string folder = os::clientFolder();
    os::clientSockets(folder);  // those of the dead are removed by this
    socket_ = os::clientSocketOf(app, folder);
    listener_ = os::listenForClients(socket_);
    poll_ = std::make_unique<loop::Poll>(loop_, listener_.get(), loop::Interest::readable,
                                         [this](bool, bool) { accept(); });
  } catch (const Error& error) {
    warn_("the troupe command can't attach to this app: " + error.message());
  }
}

void Clients::accept() {
  for (unsigned i = 0; i < kBurst; ++i) {
    os::Fd connection;
    const auto result = os::acceptFrom(listener_.get(), connection);
    if (result.state == os::SocketState::wouldBlock) return;
    if (result.state != os::SocketState::done) {
      // No descriptor is free, perhaps: whoever waits can wait a little longer.
      poll_->want(loop::Interest::none);
      return again_.startIn(kAcceptAgain);
    }
    if (!os::peerIsAllowed(connection)) continue;
    try {
      add(std::move(connection));
    } catch (const Error& error) {
      warn_("a client was turned away: " + error.message());
      clients_.erase(last_);
    }
  }
}

void Clients::makeRoom(bool admitted) {
  const auto isOne = [&](const auto& each) {
    return each.second.admission.admitted() == admitted && each.second.session.empty();
  };
  if (static_cast<std::size_t>(std::ranges::count_if(clients_, isOne)) < kMost) return;
  clients_.erase(std::ranges::find_if(clients_, isOne));
}

void Clients::add(os::Fd connection) {
  makeRoom(key_.empty());
  const std::uint64_t number = ++last_;
  Client& client =
      clients_.emplace(number, Client{.connection = std::move(connection), .admission = Admission(key_)})
          .first->second;
  client.poll = std::make_unique<loop::Poll>(loop_, client.connection.get(), loop::Interest::readable,
                                             [this, number](bool, bool) { onReady(number); });
}

void Clients::onReady(std::uint64_t number) {
  try {
    write(number);
    read(number);
  } catch (const Error& error) {
    warn_("a client was dropped: " + error.message());
    clients_.erase(number);
  } catch (const kj::Exception&) {
    clients_.erase(number);  // it has sent what is no request
  }
}

void Clients::read(std::uint64_t number) {
  for (unsigned i = 0; i < kBurst; ++i) {
    const auto found = clients_.find(number);
    if (found == clients_.end() || !found->second.session.empty()) return;
    Client& client = found->second;
    const os::ChannelState state = os::receiveFrom(client.connection.get(), received_);
    received_.descriptors.clear();
    if (state == os::ChannelState::wouldBlock) return;
    if (state == os::ChannelState::closed || client.asked) {
      clients_.erase(found);
      return;
    }
    client.asked = true;
    auto reply = replyTo(client, number);
    if (!reply.packet.empty()) answer(number, std::move(reply));
  }
}

ClientReply Clients::replyTo(Client& client, std::uint64_t number) {
  if (client.admission.admitted()) {
    if (ClientRequests::isForSession(received_.bytes)) return openSession(client, number);
    return requests_.answer(received_.bytes, std::string(kPrefix) + std::to_string(number));
  }
  ClientReply reply{.packet = client.admission.answer(received_.bytes)};
  // What it is from here on there may be too many of.
  if (client.admission.admitted()) makeRoom(true);
  return reply;
}

// The first words of the session can come before its start has been told: from here on it is the only one that reads.
ClientReply Clients::openSession(Client& client, std::uint64_t number) {
  if (sessions_.size() >= kMostSessions) {
    return ClientRequests::refusal(
        Error(ErrorKind::overloaded, "this app has " + std::to_string(kMostSessions) +
                                         " clients that talk to its actors, and takes no more"));
  }
  client.session = "client@" + std::to_string(os::peerOf(client.connection)) + "." + std::to_string(number);
  sessions_.insert(client.session);
  client.poll->want(loop::Interest::none);
  try {
    requests_.startSession(client.session, client.connection, std::string(kPrefix) + std::to_string(number));
  } catch (const Error& error) {
    sessions_.erase(std::exchange(client.session, {}));
    return ClientRequests::refusal(error);
  }
  return {};
}

bool Clients::isClient(const std::string& to) { return to.starts_with(kPrefix); }

void Clients::answered(wire::ReceivedControl& message) {
  const std::string to = wire::toString(message->getTo());
  std::uint64_t number = 0;
  std::from_chars(to.data() + kPrefix.size(), to.data() + to.size(), number);
  const auto found = clients_.find(number);
  if (found == clients_.end()) return;
  const std::string session = std::exchange(found->second.session, {});
  if (!session.empty()) {
    if (message->isManaged() && message->getManaged().isStarted()) {
      clients_.erase(found);
      return;
    }
    sessions_.erase(session);
    if (message->isManaged() && message->getManaged().isFailed()) {
      const Error why = wire::read(message->getManaged().getFailed());
      // It may have begun to talk to the client, who would take this for an answer of its own: one that died, or was stopped before it
      // became ready.
      const bool mayHaveBegun =
          why.kind() == ErrorKind::gone ||
          (why.kind() == ErrorKind::crashed && why.exitReason().kind != ExitKind::notStarted);
      if (mayHaveBegun) {
        clients_.erase(found);
        return;
      }
      return answer(number, ClientRequests::refusal(why));
    }
  }
  answer(number, ClientRequests::answerOf(message));
}

void Clients::answer(std::uint64_t number, ClientReply reply) {
  const auto found = clients_.find(number);
  if (found == clients_.end()) return;
  found->second.unsent = std::move(reply);
  write(number);
}

void Clients::write(std::uint64_t number) {
  const auto found = clients_.find(number);
  if (found == clients_.end() || found->second.unsent.packet.empty()) return;
  Client& client = found->second;
  const int beside[] = {client.unsent.descriptor.get()};
  const os::ChannelState state =
      os::sendOn(client.connection.get(), client.unsent.packet,
                 std::span<const int>(beside, client.unsent.descriptor.valid() ? 1 : 0));
  client.poll->want(state == os::ChannelState::wouldBlock ? loop::Interest::both : loop::Interest::readable);
  if (state == os::ChannelState::wouldBlock) return;
  client.unsent = {};
  client.asked = false;
  if (client.admission.refused()) clients_.erase(found);
}

}  // namespace troupe::node
