#include "tests/support/load_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace tests {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kKeptTexts = 10;

std::string requestText(unsigned client, std::uint64_t request, std::size_t bytes) {
  std::string text = "client " + std::to_string(client) + " request " + std::to_string(request) + " ";
  for (std::size_t i = text.size(); i + 1 < bytes; ++i)
    text.push_back(static_cast<char>('a' + (client + request + i) % 26));
  text.push_back('\n');
  return text;
}

sockaddr_in loopback(unsigned port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

unsigned localPortOf(int fd) {
  sockaddr_in address = {};
  socklen_t bytes = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes);
  return ntohs(address.sin_port);
}

}  // namespace

LoadClients::LoadClients(Settings settings)
    : settings_(settings),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      clients_(settings.clients),
      random_(settings.seed) {
  for (unsigned i = 0; i < clients_.size(); ++i) {
    clients_[i].number = i;
    connect(clients_[i]);
  }
}

LoadClients::~LoadClients() {
  for (Client& client : clients_) close(client);
  ::close(epoll_);
}

void LoadClients::runFor(milliseconds time) {
  for (const auto until = Clock::now() + time; Clock::now() < until;) {
    step(std::chrono::ceil<milliseconds>(until - Clock::now()));
  }
  checkPatience();
}

bool LoadClients::drain() {
  draining_ = true;
  for (const auto until = Clock::now() + settings_.patience; open_ > 0 && Clock::now() < until;)
    step(milliseconds(100));
  checkPatience();
  return open_ == 0;
}

unsigned LoadClients::excuse(const std::set<unsigned>& localPorts) {
  unsigned count = 0;
  for (Client& client : clients_) {
    if (client.fd < 0 || !localPorts.contains(client.localPort)) continue;
    client.excused = true;
    ++count;
  }
  return count;
}

void LoadClients::step(milliseconds limit) {
  std::array<epoll_event, 64> events;
  const int count =
      ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), static_cast<int>(limit.count()));
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    onReady(clients_[event.data.u32], event.events);
  }
}

void LoadClients::connect(Client& client) {
  client.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (client.fd >= 0) ++open_;
  const sockaddr_in address = loopback(settings_.port);
  ++ledger_.connections;
  client.connected = client.excused = false;
  client.requestsLeft = settings_.requestsPerConnection;
  client.since = Clock::now();
  if (client.fd < 0 ||
      (::connect(client.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 &&
       errno != EINPROGRESS)) {
    error(client, std::string("cannot connect: ") + std::strerror(errno));
    return close(client);
  }
  const int on = 1;
  ::setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // The kernel has chosen it in connect(): a server process that is killed from now on can be told to have
  // this client.
  client.localPort = localPortOf(client.fd);
  watch(client, true);
}

void LoadClients::watch(Client& client, bool add) {
  epoll_event event = {};
  event.events = EPOLLIN;
  if (!client.connected || client.sent < client.text.size()) event.events |= EPOLLOUT;
  event.data.u32 = client.number;
  ::epoll_ctl(epoll_, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, client.fd, &event);
}

void LoadClients::onReady(Client& client, unsigned events) {
  if (client.fd < 0) return;
  if (!client.connected) {
    int failure = 0;
    socklen_t bytes = sizeof failure;
    ::getsockopt(client.fd, SOL_SOCKET, SO_ERROR, &failure, &bytes);
    if (failure != 0) return broken(client, std::string("connecting failed: ") + std::strerror(failure));
    client.connected = true;
    return beginRequest(client);
  }
  if (events & EPOLLOUT) write(client);
  if (client.fd >= 0 && (events & ~unsigned{EPOLLOUT})) read(client);
}

void LoadClients::beginRequest(Client& client) {
  const std::size_t bytes = std::uniform_int_distribution<std::size_t>(40, settings_.maxBytes)(random_);
  client.text = requestText(client.number, ++client.request, bytes);
  client.sent = client.received = 0;
  client.since = Clock::now();
  ++ledger_.requests;
  write(client);
}

void LoadClients::write(Client& client) {
  while (client.sent < client.text.size()) {
    const ssize_t bytes =
        ::send(client.fd, client.text.data() + client.sent, client.text.size() - client.sent, MSG_NOSIGNAL);
    if (bytes < 0 && errno == EAGAIN) break;
    if (bytes < 0) return broken(client, std::string("cannot send: ") + std::strerror(errno));
    client.sent += static_cast<std::size_t>(bytes);
  }
  watch(client, false);
}

void LoadClients::read(Client& client) {
  std::array<char, 16 * 1024> buffer;
  const ssize_t bytes = ::recv(client.fd, buffer.data(), buffer.size(), 0);
  if (bytes < 0 && errno == EAGAIN) return;
  if (bytes < 0) return broken(client, std::string("cannot receive: ") + std::strerror(errno));
  if (bytes == 0) return broken(client, "the server has closed the connection");
  const std::string_view got(buffer.data(), static_cast<std::size_t>(bytes));
  if (std::string_view(client.text).substr(client.received, got.size()) != got) {
    error(client, "something else came back than was sent, at byte " + std::to_string(client.received));
    close(client);
    return connect(client);
  }
  client.received += got.size();
  if (client.received == client.text.size()) endRequest(client);
}

void LoadClients::endRequest(Client& client) {
  ++ledger_.replies;
  if (draining_) return close(client);
  if (--client.requestsLeft > 0) return beginRequest(client);
  close(client);
  connect(client);
}

void LoadClients::broken(Client& client, const std::string& how) {
  if (client.excused) {
    ++ledger_.lost;
    if (client.connected) ++ledger_.unanswered;
  } else {
    error(client, how);
  }
  close(client);
  connect(client);
}

void LoadClients::error(const Client& client, const std::string& what) {
  ++ledger_.errors;
  if (ledger_.texts.size() >= kKeptTexts) return;
  ledger_.texts.push_back("client " + std::to_string(client.number) + " (port " +
                          std::to_string(client.localPort) + "), request " + std::to_string(client.request) +
                          ": " + what);
}

void LoadClients::close(Client& client) {
  if (client.fd < 0) return;
  ::close(std::exchange(client.fd, -1));
  --open_;
}

void LoadClients::checkPatience() {
  const auto now = Clock::now();
  for (Client& client : clients_) {
    if (client.fd < 0 || now - client.since < settings_.patience) continue;
    error(client, client.connected ? "no answer" : "no connection");
    close(client);
    connect(client);
  }
}

}  // namespace tests
