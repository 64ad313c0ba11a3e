#include "tests/bench/compare/echo_load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cstring>
#include <utility>
#include <vector>

#include "tests/bench/compare/figure.h"
#include "tests/bench/compare/raw_pipe.h"

namespace troupe::bench {

namespace {

class Clients {
 public:
  explicit Clients(const EchoLoad& load)
      : load_(load), epoll_(::epoll_create1(0)), clients_(load.connections) {
    if (epoll_ < 0) failOfSystem("no epoll");
  }
  ~Clients() {
    for (std::uint32_t i = 0; i < clients_.size(); ++i) close(i);
    ::close(epoll_);
  }
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  double run() {
    if (!load_.churn) {
      for (std::uint32_t i = 0; i < clients_.size(); ++i) connect(i);
      send(clients_.size());
    }
    const double before = now();
    send(load_.requests);
    return now() - before;
  }

 private:
  struct Client {
    int fd = -1;
    Message sent;
    Message got;
    std::size_t bytes = 0;
  };

  // So many requests, spread over the clients as they get their answers.
  void send(std::uint64_t requests) {
    left_ = requests;
    answered_ = 0;
    for (std::uint32_t i = 0; i < clients_.size(); ++i) begin(i);
    while (answered_ < requests) {
      epoll_event events[64];
      const int count = ::epoll_wait(epoll_, events, 64, 30'000);
      if (count <= 0) fail("no answer for 30 s");
      for (int i = 0; i < count; ++i) read(events[i].data.u32);
    }
  }

  void begin(std::uint32_t i) {
    if (left_ == 0) return;
    --left_;
    Client& client = clients_[i];
    if (load_.churn) connect(i);
    client.bytes = 0;
    client.sent = {};
    const std::uint64_t value = valueOf(++number_);
    std::memcpy(client.sent.data(), &value, sizeof value);
    if (::send(client.fd, client.sent.data(), kMessageBytes, MSG_NOSIGNAL) != kMessageBytes)
      failOfSystem("a request can't be sent");
  }

  void read(std::uint32_t i) {
    Client& client = clients_[i];
    if (client.fd < 0) return;
    const ssize_t got = ::recv(client.fd, client.got.data() + client.bytes, kMessageBytes - client.bytes, 0);
    if (got == 0) fail("the server has closed a connection");
    if (got < 0) failOfSystem("an answer can't be read");
    client.bytes += static_cast<std::size_t>(got);
    if (client.bytes < kMessageBytes) return;
    if (client.got != client.sent) fail("another answer");
    ++answered_;
    if (load_.churn) close(i);
    begin(i);
  }

  void connect(std::uint32_t i) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(load_.port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = clients_[i].fd = ::socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
      failOfSystem("no connection");
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u32 = i;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void close(std::uint32_t i) {
    if (clients_[i].fd >= 0) ::close(std::exchange(clients_[i].fd, -1));
  }

  EchoLoad load_;
  int epoll_;
  std::vector<Client> clients_;
  std::uint64_t number_ = 0;
  std::uint64_t left_ = 0;
  std::uint64_t answered_ = 0;
};

}  // namespace

double runEchoLoad(const EchoLoad& load) { return Clients(load).run(); }

}  // namespace troupe::bench
