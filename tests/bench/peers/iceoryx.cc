// iceoryx: chunks of shared memory, whose place is published. `iceoryx waiting ...`: a receiver that finds nothing
// sleeps in a WaitSet. `iceoryx polling ...`: it looks again, and keeps its core busy as long as it lives.
#include <fcntl.h>
#include <sys/prctl.h>

#include <bit>
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/popo/wait_set.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>
#include <thread>

#include "tests/bench/peers/peer.h"

namespace {

using namespace peer;

bool polling = false;

// Runtimes wait for it. It is asked to end, so that it clears away what lies outside of its folder.
class Daemon {
 public:
  Daemon() : pid_(::fork()) {
    if (pid_ < 0) fail("no fork");
    if (pid_ > 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(::open("/dev/null", O_WRONLY), STDOUT_FILENO);
    ::execlp("iox-roudi", "iox-roudi", "--log-level", "error", nullptr);
    fail("can't run iox-roudi");
  }
  ~Daemon() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

 private:
  pid_t pid_;
};

void initialise(const std::string& name) {
  const std::string full = "troupe-bench-" + name + std::to_string(::getpid());
  iox::runtime::PoshRuntime::initRuntime(iox::RuntimeName_t(iox::cxx::TruncateToCapacity, full));
}

iox::capro::ServiceDescription topic(const char* name) {
  return {"bench", "messages", {iox::cxx::TruncateToCapacity, name}};
}

class Publisher {
 public:
  explicit Publisher(const char* name) : publisher_(topic(name), options()) {}
  void waitForSubscriber() {
    while (!publisher_.hasSubscribers()) std::this_thread::yield();
  }
  void waitForNoSubscriber() {
    while (publisher_.hasSubscribers()) std::this_thread::yield();
  }
  template <class Fill>
  void send(std::uint32_t bytes, const Fill& fill) {
    void* chunk = nullptr;
    publisher_.loan(bytes).and_then([&](void* loaned) { chunk = loaned; }).or_else([](auto&) {
      fail("no chunk of memory is free");
    });
    fill(chunk);
    publisher_.publish(chunk);
  }

 private:
  static iox::popo::PublisherOptions options() {
    iox::popo::PublisherOptions options;
    options.subscriberTooSlowPolicy = iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
    return options;
  }
  iox::popo::UntypedPublisher publisher_;
};

class Subscriber {
 public:
  Subscriber(const char* name, std::uint64_t waiting) : subscriber_(topic(name), options(waiting)) {
    waitSet_.attachState(subscriber_, iox::popo::SubscriberState::HAS_DATA).or_else([](auto) {
      fail("can't wait for a subscriber");
    });
  }
  void waitForPublisher() {
    while (subscriber_.getSubscriptionState() != iox::SubscribeState::SUBSCRIBED) std::this_thread::yield();
  }
  // Hands a message to `use`.
  template <class Use>
  void receive(const Use& use) {
    for (;;) {
      bool got = false;
      subscriber_.take().and_then([&](const void* chunk) {
        use(chunk);
        subscriber_.release(chunk);
        got = true;
      });
      if (got) return;
      if (!polling) waitSet_.wait();
    }
  }

 private:
  static iox::popo::SubscriberOptions options(std::uint64_t waiting) {
    iox::popo::SubscriberOptions options;
    options.queueCapacity = waiting;
    options.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
    return options;
  }
  iox::popo::WaitSet<> waitSet_;
  iox::popo::UntypedSubscriber subscriber_;
};

double roundTrip(std::uint64_t count) {
  const Daemon daemon;
  Processes processes;
  Signal took;
  const std::uint64_t trips = count + count / 10;
  processes.start([&] {
    initialise("echo");
    Subscriber there("there", 8);
    Publisher back("back");
    for (std::uint64_t i = 0; i < trips; ++i) {
      there.receive([&](const void* chunk) {
        back.send(sizeof(Message), [&](void* answer) { std::memcpy(answer, chunk, sizeof(Message)); });
      });
    }
    back.waitForNoSubscriber();
  });
  processes.start([&] {
    initialise("asker");
    Publisher there("there");
    Subscriber back("back", 8);
    there.waitForSubscriber();
    back.waitForPublisher();
    const double microseconds = timeTrips(count, [&](const Message& message) {
      there.send(sizeof message, [&](void* chunk) { std::memcpy(chunk, &message, sizeof message); });
      std::uint64_t value = 0;
      back.receive([&](const void* chunk) { value = valueIn(chunk, sizeof(Message)); });
      return value;
    });
    took.set(std::bit_cast<std::uint64_t>(microseconds));
  });
  const std::uint64_t result = took.wait();
  processes.wait();
  return std::bit_cast<double>(result);
}

double oneWay(std::uint64_t senders, std::uint64_t messages) {
  const Daemon daemon;
  const auto receive = [&](const Signal& ready, std::uint64_t count) {
    initialise("receiver");
    Subscriber subscriber("queue", 256);
    ready.set();
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i)
      subscriber.receive([&](const void* chunk) { sum += valueIn(chunk, sizeof(Message)); });
    return sum;
  };
  const auto send = [&](std::uint64_t each, const auto& begin, const auto& stay) {
    initialise("sender");
    Publisher publisher("queue");
    publisher.waitForSubscriber();
    begin();
    for (std::uint64_t i = 0; i < each; ++i) {
      const Message message{.value = valueOf(i)};
      publisher.send(sizeof message, [&](void* chunk) { std::memcpy(chunk, &message, sizeof message); });
    }
    stay();
  };
  const std::uint64_t each = messages / senders;
  return millionsASecond(senders * each, timeOneWay(senders, each, senders * sumOf(each), receive, send));
}

double large(std::uint64_t count) {
  const Daemon daemon;
  const auto receive = [&](const Signal& ready, std::uint64_t) {
    initialise("receiver");
    Subscriber subscriber("large", 4);
    ready.set();
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i)
      subscriber.receive([&](const void* chunk) { sum += sumOfLarge(chunk, kLargeBytes); });
    return sum;
  };
  const auto send = [&](std::uint64_t, const auto& begin, const auto& stay) {
    initialise("sender");
    Publisher publisher("large");
    publisher.waitForSubscriber();
    auto words = largeContents();
    begin();
    for (std::uint64_t i = 0; i < count; ++i) {
      number(words, i);
      publisher.send(kLargeBytes, [&](void* chunk) { std::memcpy(chunk, words.data(), kLargeBytes); });
    }
    stay();
  };
  return gigabytesASecond(count, timeOneWay(1, count, sumOfLarges(count), receive, send));
}

}  // namespace

// The daemon wants to be told when a process ends, and this one must have no part in it.
int main(int argc, char** argv) {
  endProcess = std::exit;
  const std::string how = argc > 1 ? argv[1] : "";
  if (how != "waiting" && how != "polling") fail("usage: iceoryx waiting|polling <workload> <count>");
  polling = how == "polling";
  return run(argc - 1, argv + 1, {roundTrip, oneWay, large});
}
