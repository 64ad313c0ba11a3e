// Mailboxes: back-pressure, what survives a crash, and messages that are no messages.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <random>
#include <utility>

#include "os/packet_pipe.h"
#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"
#include "wire/message.h"
#include "wire/packet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::ExitKind;
using troupe::kForever;
using troupe::Ref;
using troupe::Restart;
using troupe::SupervisorRef;

SupervisorRef root() { return SupervisorRef("/"); }

// Expects numbers in order from each sender, and tells when one is missing. Text: "<sender> <number>".
class Counter final : public QuietPuppet<Counter> {
 public:
  void note(NoteParams in) {
    const std::string text = in.getText().cStr();
    const std::size_t space = text.find(' ');
    int& last = last_[text.substr(0, space)];
    const int number = std::stoi(text.substr(space + 1));
    if (number != last + 1) throw std::runtime_error("after " + std::to_string(last) + " came " + text);
    last = number;
    ++handled_;
  }
  Task<> nap(NapParams in, NapResults out) {
    co_await sleepFor(std::chrono::milliseconds(in.getMilliseconds()));
    out.setHandled(handled_);
  }

 private:
  std::map<std::string, int> last_;
  std::uint32_t handled_ = 0;
};

Task<> castNumbers(Ref<Puppet> to, std::string sender, int count) {
  for (int i = 1; i <= count; ++i) co_await to.note(sender + " " + std::to_string(i));
}

class Caster final : public troupe::Actor<Caster> {
 public:
  explicit Caster(int count) : count_(count) {}
  Task<> run() { co_await castNumbers(co_await find<Puppet>("counter"), name(), count_); }

 private:
  int count_;
};

}  // namespace

class Mailboxes : public AppTest {};

TEST_F(Mailboxes, ThatAreFullRefuseACastThatIsNotAwaited) {
  runApp([](troupe::App& app) { app.child<Counter>("counter"); },
         [](Self& self) -> Task<> {
           auto counter = (co_await self.find<Puppet>("counter")).within(5min);
           auto nap = counter.nap(300);
           int placed = 0;
           std::string refused;
           while (refused.empty() && placed < 1'000'000) {
             try {
               counter.note("main " + std::to_string(placed + 1));
               ++placed;
             } catch (const Error& error) {
               EXPECT_EQ(error.kind(), ErrorKind::overloaded);
               refused = error.what();
             }
           }
           EXPECT_NE(refused.find("Puppet.note of /counter"), std::string::npos) << refused;
           EXPECT_GT(placed, 100);
           EXPECT_LT(placed, 100'000) << "memory is bounded";
           co_await nap;
           co_await counter.note("main " + std::to_string(placed + 1));
           EXPECT_EQ((co_await counter.nap(0))->getHandled(), static_cast<std::uint32_t>(placed) + 1)
               << "what was placed is not lost, and what was refused never comes";
         });
}

TEST_F(Mailboxes, ThatAreFullMakeACastWaitThatIsAwaited) {
  runApp([](troupe::App& app) { app.child<Counter>("counter"); },
         [](Self& self) -> Task<> {
           auto counter = (co_await self.find<Puppet>("counter")).within(5min);
           const auto before = std::chrono::steady_clock::now();
           auto nap = counter.nap(300);
           co_await castNumbers(counter, "main", 20'000);
           EXPECT_GE(std::chrono::steady_clock::now() - before, 300ms);
           co_await nap;
           EXPECT_EQ((co_await counter.nap(0))->getHandled(), 20'000u);
         });
}

TEST_F(Mailboxes, OfASlowReceiverLoseNothingOfManySenders) {
  runApp(
      [](troupe::App& app) {
        app.child<Counter>("counter", {.mailboxBytes = 4096});
        for (int i = 0; i < 6; ++i)
          app.child<Caster>("c" + std::to_string(i), {.restart = Restart::temporary}, 2000);
      },
      [](Self& self) -> Task<> {
        auto counter = (co_await self.find<Puppet>("counter")).within(5min);
        std::uint32_t handled = 0;
        while (handled < 12'000) handled = (co_await counter.nap(5))->getHandled();
        EXPECT_EQ(handled, 12'000u);
        EXPECT_EQ((co_await counter.who())->getGeneration(), 0u);
      });
}

// The kernel keeps what was not read; the desk what was read and not begun. Only the one in hand is lost with each process.
TEST_F(Mailboxes, SurviveTheirActorsAndLoseOnlyWhatIsInHand) {
  class Noting final : public QuietPuppet<Noting> {
   public:
    void note(NoteParams in) {
      Board::shared().note(in.getText().cStr());
      if (std::stoi(in.getText().cStr()) % 500 == 0) endAs("kill");
    }
  };
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 1000});
        app.child<Noting>("a");
      },
      [](Self& self) -> Task<> {
        auto a = (co_await self.find<Puppet>("a")).within(5min);
        for (int i = 1; i <= 5000; ++i) co_await a.note(std::to_string(i));
        co_await a.echo("the last");
        const auto notes = Board::shared().notes();
        EXPECT_EQ(notes.size(), 5000u)
            << "each was handled, and none twice, though ten of them killed their actor";
        for (std::size_t i = 0; i < notes.size(); ++i) {
          if (notes[i] == std::to_string(i + 1)) continue;
          ADD_FAILURE() << "at " << i << " came " << notes[i];
          break;
        }
      });
}

TEST_F(Mailboxes, OfStoppedActorsKeepTheirMessagesForThem) {
  runApp([](troupe::App& app) { app.child<Counter>("counter"); },
         [](Self& self) -> Task<> {
           auto counter = (co_await self.find<Puppet>("counter")).within(5min);
           co_await root().stop("counter");
           co_await castNumbers(counter, "main", 100);
           co_await root().restart("counter");
           EXPECT_EQ((co_await counter.nap(0))->getHandled(), 100u);
         });
}

// --- Garbage ---

namespace {

// Writes what is no message into a mailbox that it has been introduced to: it finds the pipe among its own descriptors.
class Vandal final : public QuietPuppet<Vandal> {
 public:
  Task<> lookUp(LookUpParams in, LookUpResults) {
    before_ = pipes();
    auto victim = co_await find<Puppet>(in.getName().cStr());
    for (const int fd : pipes()) {
      if (std::find(before_.begin(), before_.end(), fd) == before_.end()) pipe_ = fd;
    }
    if (pipe_ < 0) throw std::runtime_error("no mailbox among the descriptors");
  }
  // From here on, into the reply lane of its caller, which it knows since it has answered.
  void nobody(NobodyParams, NobodyResults) {
    const int mailbox = std::exchange(pipe_, -1);
    for (const int fd : pipes()) {
      if (fd != mailbox && std::find(before_.begin(), before_.end(), fd) == before_.end()) pipe_ = fd;
    }
    if (pipe_ < 0) throw std::runtime_error("no reply lane among the descriptors");
  }
  // One packet of that kind.
  void echo(EchoParams in, EchoResults) {
    const std::string kind = in.getText().cStr();
    if (kind == "short") return write(std::string(5, 'x'));
    if (kind == "header only") return write(header(32, 1));
    if (kind == "foreign version") return write(header(40, 1, 77) + std::string(8, '\0'));
    if (kind == "wrong length") return write(header(4000, 1) + std::string(8, '\0'));
    if (kind == "wrong count") return write(header(40, 65) + std::string(8, '\0'));
    if (kind == "wrong framing")
      return write(header(48, 1) + std::string("\xff\xff\xff\x7f\xff\xff\xff\x7f\0\0\0\0\0\0\0\0", 16));
    if (kind == "empty message") return write(header(40, 1) + std::string(8, '\0'));
    if (kind == "wild pointer")
      return write(header(48, 1) + std::string("\0\0\0\0\1\0\0\0\xfc\xff\xff\x7f\xff\xff\xff\xff", 16));
    if (kind == "no call") return writeEnvelope([](auto envelope) { envelope.initError().setCall(7); });
    if (kind == "unknown method") {
      return writeEnvelope([](auto envelope) {
        envelope.initCast().setInterface(4711);
        envelope.getCast().setMethod(9);
      });
    }
    if (kind == "wrong parameters") {
      return writeEnvelope([](auto envelope) {
        envelope.initCast().setInterface(troupe::Protocol<Puppet>::kId);
        envelope.getCast().setMethod(2);
        envelope.getBody().template initAs<capnp::List<std::uint64_t>>(3);
      });
    }
    if (kind == "call of nobody") {
      return writeEnvelope([](auto envelope) {
        envelope.initCall().setInterface(troupe::Protocol<Puppet>::kId);
        envelope.getCall().setMethod(0);
        envelope.getCall().setCall(99);
      });
    }
    std::mt19937 random(static_cast<unsigned>(std::stoi(kind)));
    std::string noise(random() % 4096 + 1, '\0');
    for (char& each : noise) each = static_cast<char>(random());
    // Every other with a good header, so that it gets further.
    if (random() % 2 == 0 && noise.size() >= 40) {
      noise.resize(noise.size() / 8 * 8);
      noise.replace(0, 32, header(static_cast<std::uint32_t>(noise.size()), 1));
      const auto words = static_cast<std::uint32_t>((noise.size() - 40) / 8);
      std::memset(noise.data() + 32, 0, 4);
      std::memcpy(noise.data() + 36, &words, 4);
    }
    write(noise);
  }

 private:
  static std::vector<int> pipes() {
    std::vector<int> found;
    for (int fd = 3; fd < 256; ++fd) {
      std::array<char, 64> target{};
      const auto size =
          ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target.data(), target.size() - 1);
      if (size > 0 && std::string(target.data()).starts_with("pipe:") &&
          (::fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
        found.push_back(fd);
      }
    }
    return found;
  }
  static std::string header(std::uint32_t bytes, std::uint16_t messages,
                            std::uint16_t version = troupe::wire::kPacketVersion) {
    const troupe::wire::PacketHeader made{.bytes = bytes,
                                          .version = version,
                                          .messages = messages,
                                          .sender = 3,
                                          .sequence = 1,
                                          .generation = 1,
                                          .flags = 0};
    return {reinterpret_cast<const char*>(&made), sizeof made};
  }
  void write(const std::string& packet) const {
    while (::write(pipe_, packet.data(), packet.size()) < 0 && errno == EAGAIN) ::poll(nullptr, 0, 1);
  }
  template <class Fill>
  void writeEnvelope(Fill fill) const {
    troupe::wire::OutgoingMessage message;
    fill(message.envelope());
    const auto bytes = message.finish("garbage");
    troupe::wire::PacketBuilder packet;
    packet.append(bytes);
    const auto whole = packet.finish(4242, 1, 1);
    write({reinterpret_cast<const char*>(whole.data()), whole.size()});
  }

  std::vector<int> before_;
  int pipe_ = -1;
};

const std::vector<std::string>& garbage() {
  static const std::vector<std::string> kinds = {"short",          "header only",      "foreign version",
                                                 "wrong length",   "wrong count",      "wrong framing",
                                                 "empty message",  "wild pointer",     "no call",
                                                 "unknown method", "wrong parameters", "call of nobody"};
  return kinds;
}

}  // namespace

TEST_F(Mailboxes, AreNotDisturbedByGarbage) {
  const Ended ended =
      runApp([](troupe::App& app) { app.child<PuppetActor>("victim").child<Vandal>("vandal"); },
             [](Self& self) -> Task<> {
               auto victim = (co_await self.find<Puppet>("victim")).within(5min);
               auto vandal = (co_await self.find<Puppet>("vandal")).within(5min);
               co_await vandal.lookUp("victim");
               for (const std::string& kind : garbage()) {
                 auto good = victim.echo("before " + kind);
                 co_await vandal.echo(kind);
                 co_await good;
                 const auto reply = co_await victim.echo("after " + kind);
                 EXPECT_EQ(std::string(reply->getText().cStr()), "after " + kind);
               }
               for (int seed = 0; seed < 500; ++seed) co_await vandal.echo(std::to_string(seed));
               EXPECT_EQ((co_await victim.who())->getGeneration(), 1u) << "it has not been disturbed";
             });
  for (const char* report : {"shorter than a packet's header", "of another version of the packet format",
                             "its length field is wrong", "its number of messages is wrong",
                             "the framing of its messages is wrong", "malformed message",
                             "neither a call nor a cast", "/victim serves no method 9 of interface"}) {
    EXPECT_NE(ended.err.find(report), std::string::npos) << "not reported: " << report;
  }
  EXPECT_NE(ended.err.find("victim | "), std::string::npos) << "it is the receiver that reports";
}

TEST_F(Mailboxes, ReplyLanesAreNotDisturbedByGarbageEither) {
  const Ended ended =
      runApp([](troupe::App& app) { app.child<PuppetActor>("victim").child<Vandal>("vandal"); },
             [](Self& self) -> Task<> {
               auto victim = (co_await self.find<Puppet>("victim")).within(5min);
               auto vandal = (co_await self.find<Puppet>("vandal")).within(5min);
               co_await vandal.lookUp("victim");
               co_await vandal.nobody();
               for (const std::string& kind : garbage()) {
                 co_await vandal.echo(kind);
                 const auto reply = co_await victim.echo("after " + kind);
                 EXPECT_EQ(std::string(reply->getText().cStr()), "after " + kind);
               }
               for (int seed = 0; seed < 300; ++seed) co_await vandal.echo(std::to_string(seed));
               EXPECT_EQ((co_await victim.who())->getHandled(), garbage().size() + 1);
             });
  EXPECT_NE(ended.err.find("on the reply lane was dropped"), std::string::npos) << ended.err;
}

}  // namespace tests
