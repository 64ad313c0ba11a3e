// Boost.Interprocess: message_queue, which is memory that processes share, with a lock in it.
#include <boost/interprocess/ipc/message_queue.hpp>

#include "tests/bench/peers/peer.h"

namespace {

using namespace peer;
using boost::interprocess::message_queue;

// Goes with the process that made it.
class Queue {
 public:
  Queue(const std::string& name, std::size_t messages, std::size_t bytes)
      : name_("troupe-bench-" + name + std::to_string(::getpid())),
        queue_(boost::interprocess::create_only, name_.c_str(), messages, bytes) {
    // Forked processes have it mapped; nobody needs its name.
    message_queue::remove(name_.c_str());
  }
  void send(const void* data, std::size_t bytes) { queue_.send(data, bytes, 0); }
  std::size_t receive(void* data, std::size_t bytes) {
    message_queue::size_type got = 0;
    unsigned priority = 0;
    queue_.receive(data, bytes, got, priority);
    return got;
  }

 private:
  std::string name_;
  message_queue queue_;
};

double roundTrip(std::uint64_t count) {
  Queue there("there", 8, sizeof(Message)), back("back", 8, sizeof(Message));
  Processes processes;
  processes.start([&] {
    for (std::uint64_t i = 0; i < count + count / 10; ++i) {
      Message message;
      there.receive(&message, sizeof message);
      back.send(&message, sizeof message);
    }
  });
  const double took = timeTrips(count, [&](const Message& message) {
    there.send(&message, sizeof message);
    Message answer;
    return valueIn(&answer, back.receive(&answer, sizeof answer));
  });
  processes.wait();
  return took;
}

double oneWay(std::uint64_t senders, std::uint64_t messages) {
  Queue queue("queue", 1000, sizeof(Message));
  const auto receive = [&](const Signal& ready, std::uint64_t count) {
    ready.set();
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      Message message;
      sum += valueIn(&message, queue.receive(&message, sizeof message));
    }
    return sum;
  };
  const auto send = [&](std::uint64_t each, const auto& begin, const auto&) {
    begin();
    for (std::uint64_t i = 0; i < each; ++i) {
      const Message message{.value = valueOf(i)};
      queue.send(&message, sizeof message);
    }
  };
  const std::uint64_t each = messages / senders;
  return millionsASecond(senders * each, timeOneWay(senders, each, senders * sumOf(each), receive, send));
}

double large(std::uint64_t count) {
  Queue queue("queue", 8, kLargeBytes);
  const auto receive = [&](const Signal& ready, std::uint64_t) {
    std::vector<std::uint64_t> words(kLargeBytes / sizeof(std::uint64_t));
    ready.set();
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i)
      sum += sumOfLarge(words.data(), queue.receive(words.data(), kLargeBytes));
    return sum;
  };
  const auto send = [&](std::uint64_t, const auto& begin, const auto&) {
    auto words = largeContents();
    begin();
    for (std::uint64_t i = 0; i < count; ++i) {
      number(words, i);
      queue.send(words.data(), kLargeBytes);
    }
  };
  return gigabytesASecond(count, timeOneWay(1, count, sumOfLarges(count), receive, send));
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv, {roundTrip, oneWay, large}); }
