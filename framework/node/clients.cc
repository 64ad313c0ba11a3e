#include "node/clients.h"

#include <troupe/error.h>

#include <charconv>

#include "os/socket.h"

namespace troupe::node {

namespace {
// In control messages a client is called "::7": no path begins so, and no id of a child has a colon in front.
constexpr std::string_view kPrefix = "::";
constexpr unsigned kBurst = 8;
constexpr auto kAcceptAgain = std::chrono::milliseconds(200);
}  // namespace

Clients::Clients(loop::Loop& loop, ClientRequests requests, Warn warn)
    : loop_(loop), requests_(std::move(requests)), warn_(std::move(warn)), again_(loop, [this] {
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

void Clients::add(os::Fd connection) {
  if (clients_.size() >= kMost) clients_.erase(clients_.begin());
  const std::uint64_t number = ++last_;
  Client& client = clients_[number];
  client.connection = std::move(connection);
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
    if (found == clients_.end()) return;
    Client& client = found->second;
    const os::ChannelState state = os::receiveFrom(client.connection.get(), received_);
    received_.descriptors.clear();
    if (state == os::ChannelState::wouldBlock) return;
    if (state == os::ChannelState::closed || client.asked) {
      clients_.erase(found);
      return;
    }
    client.asked = true;
    auto packet = requests_.answer(received_.bytes, std::string(kPrefix) + std::to_string(number));
    if (!packet.empty()) answer(number, std::move(packet));
  }
}

bool Clients::isClient(const std::string& to) { return to.starts_with(kPrefix); }

void Clients::answered(wire::ReceivedControl& message) {
  const std::string to = wire::toString(message->getTo());
  std::uint64_t number = 0;
  std::from_chars(to.data() + kPrefix.size(), to.data() + to.size(), number);
  answer(number, ClientRequests::answerOf(message));
}

void Clients::answer(std::uint64_t number, std::vector<std::byte> packet) {
  const auto found = clients_.find(number);
  if (found == clients_.end()) return;
  found->second.unsent = std::move(packet);
  write(number);
}

void Clients::write(std::uint64_t number) {
  const auto found = clients_.find(number);
  if (found == clients_.end() || found->second.unsent.empty()) return;
  Client& client = found->second;
  const os::ChannelState state = os::sendOn(client.connection.get(), client.unsent);
  client.poll->want(state == os::ChannelState::wouldBlock ? loop::Interest::both : loop::Interest::readable);
  if (state == os::ChannelState::wouldBlock) return;
  client.unsent.clear();
  client.asked = false;
}

}  // namespace troupe::node
