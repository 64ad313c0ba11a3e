// Messages of any size: calls, casts and replies, whoever is killed meanwhile, and what is left of them.
#include <poll.h>
#include <unistd.h>

#include <csignal>

#include "actor/actor_process.h"
#include "blobs.actor.h"
#include "tests/support/app_run.h"
#include "tests/support/arenas.h"
#include "tests/support/processes.h"
#include "tests/support/puppet.h"
#include "wire/arena_memory.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::Ref;
using troupe::Restart;
using troupe::SupervisorRef;

constexpr std::size_t kMiB = std::size_t{1} << 20;

void fill(kj::ArrayPtr<kj::byte> bytes, std::uint32_t seed) {
  std::uint32_t next = seed * 2654435761U + 1;
  for (kj::byte& each : bytes) {
    next = next * 1664525U + 1013904223U;
    each = static_cast<kj::byte>(next >> 24);
  }
}

bool isRight(kj::ArrayPtr<const kj::byte> bytes, std::uint32_t seed) {
  std::uint32_t next = seed * 2654435761U + 1;
  for (const kj::byte each : bytes) {
    next = next * 1664525U + 1013904223U;
    if (each != static_cast<kj::byte>(next >> 24)) return false;
  }
  return true;
}

// As parameters of check() and keep().
auto filled(std::size_t bytes, std::uint32_t seed) {
  return [bytes, seed](auto params) {
    params.setSeed(seed);
    fill(params.initData(static_cast<unsigned>(bytes)), seed);
  };
}

class BlobActor final : public troupe::Actor<BlobActor, Blobs> {
 public:
  void check(CheckParams in, CheckResults out) { out.setRight(isRight(in.getData(), in.getSeed())); }
  void make(MakeParams in, MakeResults out) {
    fill(out.initData(static_cast<unsigned>(in.getBytes())), in.getSeed());
  }
  void keep(KeepParams in) {
    if (in.getSeed() >= 100) ::kill(::getpid(), SIGKILL);
    Board::shared().note((isRight(in.getData(), in.getSeed()) ? "right " : "wrong ") +
                         std::to_string(in.getSeed()));
  }
  Task<> nap(NapParams in, NapResults) { co_await sleepFor(std::chrono::milliseconds(in.getMilliseconds())); }
  Task<> send(SendParams in, SendResults) {
    const Ref<Blobs> to = in.getTo();
    const bool die = in.getDie();
    const auto bytes = in.getBytes();
    const auto from = in.getFrom();
    const auto count = in.getCount();
    for (std::uint32_t i = 0; i < count; ++i) co_await to.keep(filled(bytes, from + i));
    // The casts are part of this turn.
    if (die) spawn(dieSoon());
  }
  Task<> dieSoon() {
    co_await sleepFor(1ms);
    ::kill(::getpid(), SIGKILL);
  }
  Task<> fetchAll(FetchAllParams in, FetchAllResults) {
    const Ref<Blobs> from = in.getFrom();
    const auto bytes = in.getBytes();
    const auto count = in.getCount();
    for (std::uint32_t i = 0; i < count; ++i) {
      try {
        if (!(co_await from.check(filled(bytes, i)))->getRight()) Board::shared().note("wrong call");
        const auto reply = co_await from.make(bytes, i);
        if (!isRight(reply->getData(), i)) Board::shared().note("wrong reply");
      } catch (const Error&) {
        // Its callee was killed.
      }
    }
  }
  Task<> fetch(FetchParams in) {
    const Ref<Blobs> from = in.getFrom();
    const auto reply = co_await from.make(in.getBytes(), 7);
    Board::shared().note(isRight(reply->getData(), 7) ? "fetched" : "wrong");
    ::kill(::getpid(), SIGKILL);
  }
};

std::vector<std::string> numbers(int count) {
  std::vector<std::string> all;
  for (int i = 0; i < count; ++i) all.push_back(std::to_string(i));
  return all;
}

Task<> becomesRight(Self& self, int count) {
  co_await until(self, std::to_string(count) + " messages are handled", [count] {
    return Board::shared().notesAfter("right ").size() >= static_cast<std::size_t>(count);
  });
  EXPECT_EQ(Board::shared().notesAfter("wrong ").size(), 0U);
}

// Sends the short form of a large cast that says this of its body.
void sendLie(const Ref<Blobs>& to, const std::vector<troupe::wire::BlockRef>& blocks) {
  capnp::MallocMessageBuilder message;
  auto envelope = message.initRoot<troupe::wire::Envelope>();
  envelope.initCast().setInterface(troupe::Protocol<Blobs>::kId);
  envelope.getCast().setMethod(2);
  envelope.setLarge(true);
  auto segments =
      envelope.getBody().initAs<troupe::wire::LargeBody>().initSegments(static_cast<unsigned>(blocks.size()));
  for (unsigned i = 0; i < segments.size(); ++i) {
    segments[i].setOffset(blocks[i].offset);
    segments[i].setWords(blocks[i].words);
    segments[i].setSerial(blocks[i].serial);
  }
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  auto& outbox = troupe::actor::ActorProcess::current().outbox();
  outbox.put({.actor = to.id(), .lane = troupe::wire::Lane::mailbox},
             {reinterpret_cast<const std::byte*>(bytes.begin()), bytes.size()});
}

}  // namespace

class LargeMessages : public AppTest {};

TEST_F(LargeMessages, AreCalledAndRepliedWith) {
  runApp([](troupe::App& app) { app.child<BlobActor>("blobs"); },
         [](Self& self) -> Task<> {
           auto blobs = (co_await self.find<Blobs>("blobs")).within(5min);
           for (const std::size_t bytes : {std::size_t{3000}, std::size_t{4000}, std::size_t{5000},
                                           std::size_t{100'000}, kMiB, 64 * kMiB}) {
             const auto seed = static_cast<std::uint32_t>(bytes % 99);
             EXPECT_TRUE((co_await blobs.check(filled(bytes, seed)))->getRight()) << bytes;
             const auto reply = co_await blobs.make(bytes, seed);
             EXPECT_EQ(reply->getData().size(), bytes);
             EXPECT_TRUE(isRight(reply->getData(), seed)) << bytes;
           }
           co_await becomesEmpty(self);
         });
}

TEST_F(LargeMessages, AreCastInOrderWithSmallOnes) {
  runApp([](troupe::App& app) { app.child<BlobActor>("blobs"); },
         [](Self& self) -> Task<> {
           auto blobs = (co_await self.find<Blobs>("blobs")).within(5min);
           for (std::uint32_t i = 0; i < 90; ++i)
             co_await blobs.keep(filled(i % 3 == 0 ? 10 : i * 10'000, i));
           co_await blobs.keep(filled(64 * kMiB, 90));
           co_await becomesRight(self, 91);
           EXPECT_EQ(Board::shared().notesAfter("right "), numbers(91));
           co_await becomesEmpty(self);
         });
}

TEST_F(LargeMessages, TakeNoMoreMemoryThanTheOnesThatAreUnread) {
  runApp([](troupe::App& app) { app.child<BlobActor>("blobs"); },
         [](Self& self) -> Task<> {
           auto blobs = (co_await self.find<Blobs>("blobs")).within(5min);
           const auto rootBefore = memoryOf(::getppid()).anonymousKiB;
           for (std::uint32_t i = 0; i < 500; ++i) {
             EXPECT_TRUE((co_await blobs.check(filled(kMiB, i)))->getRight());
             if (i % 50 != 0) continue;
             EXPECT_LT(arenasOf(::getppid()).kiB, 8 * kMiB / 1024) << "blocks are used again";
           }
           co_await becomesEmpty(self);
           EXPECT_LT(memoryOf(::getppid()).anonymousKiB, rootBefore + 1024);
         });
}

TEST_F(LargeMessages, AboveTheLimitAreRefusedByNameAndSize) {
  runApp(
      [](troupe::App& app) {
        app.child<BlobActor>("blobs", {.maxMessageBytes = kMiB});
        app.child<BlobActor>("small", {.maxMessageBytes = 0});
      },
      [](Self& self) -> Task<> {
        auto blobs = (co_await self.find<Blobs>("blobs")).within(5min);
        auto small = (co_await self.find<Blobs>("small")).within(5min);
        EXPECT_EQ((co_await blobs.make(kMiB, 1))->getData().size(), kMiB);
        const Error large = co_await errorOf(blobs.make(kMiB + 5000, 1));
        EXPECT_EQ(large.kind(), ErrorKind::invalid);
        EXPECT_NE(large.message().find("the reply to Blobs.make of /blobs: its message takes 105"),
                  std::string::npos)
            << large.message();
        EXPECT_NE(large.message().find("can have 1048576 at most"), std::string::npos) << large.message();
        EXPECT_EQ((co_await errorOf(small.make(5000, 1))).kind(), ErrorKind::invalid);
        EXPECT_TRUE((co_await small.check(filled(kMiB, 2)))->getRight()) << "the limit is the sender's";
        try {
          static_cast<void>(blobs.keep(filled(65 * kMiB, 3)));
          ADD_FAILURE() << "it must be refused";
        } catch (const Error& error) {
          EXPECT_EQ(error.kind(), ErrorKind::invalid);
          EXPECT_NE(error.message().find("casting Blobs.keep of /blobs"), std::string::npos)
              << error.message();
        }
        co_await becomesEmpty(self);
      });
}

TEST_F(LargeMessages, ThatNobodyReadsAreRefusedInTheEnd) {
  runApp([](troupe::App& app) { app.child<BlobActor>("blobs"); },
         [](Self& self) -> Task<> {
           auto blobs = (co_await self.find<Blobs>("blobs")).within(5min);
           auto nap = blobs.nap(1000);
           int placed = 0;
           std::string refused;
           while (refused.empty() && placed < 1000) {
             try {
               co_await blobs.keep(filled(32 * kMiB, static_cast<std::uint32_t>(placed)));
               ++placed;
             } catch (const Error& error) {
               EXPECT_EQ(error.kind(), ErrorKind::overloaded);
               refused = error.message();
             }
           }
           EXPECT_NE(refused.find("casting Blobs.keep of /blobs"), std::string::npos) << refused;
           EXPECT_GE(placed, 6);
           co_await nap;
           co_await becomesRight(self, placed);
           co_await becomesEmpty(self);
           EXPECT_TRUE((co_await blobs.check(filled(64 * kMiB, 1)))->getRight()) << "and it goes on";
         });
}

TEST_F(LargeMessages, OutliveTheirReceiver) {
  runApp([](troupe::App& app) { app.child<BlobActor>("blobs", {.restart = Restart::permanent}); },
         [](Self& self) -> Task<> {
           auto blobs = (co_await self.find<Blobs>("blobs")).within(5min);
           // 100 and above kill it.
           for (std::uint32_t i = 0; i < 20; ++i) co_await blobs.keep(filled(kMiB, i == 10 ? 100 : i));
           co_await becomesRight(self, 19);
           auto expected = numbers(20);
           expected.erase(expected.begin() + 10);
           EXPECT_EQ(Board::shared().notesAfter("right "), expected) << "all but the one in hand";
           EXPECT_TRUE((co_await blobs.check(filled(kMiB, 1)))->getRight());
           co_await becomesEmpty(self);
         });
}

TEST_F(LargeMessages, ToAReceiverThatHasGoneForGoodAreFreed) {
  runApp([](troupe::App& app) { app.child<BlobActor>("blobs", {.restart = Restart::temporary}); },
         [](Self& self) -> Task<> {
           auto blobs = (co_await self.find<Blobs>("blobs")).within(5min);
           for (std::uint32_t i = 0; i < 20; ++i) co_await blobs.keep(filled(kMiB, i == 3 ? 100 : i));
           co_await becomesEmpty(self);
           EXPECT_EQ(Board::shared().notesAfter("right "), numbers(3));
         });
}

TEST_F(LargeMessages, OutliveTheirSender) {
  runApp(
      [](troupe::App& app) {
        app.child<BlobActor>("blobs");
        app.child<BlobActor>("again");
        app.child<BlobActor>("never", {.restart = Restart::temporary});
      },
      [](Self& self) -> Task<> {
        auto blobs = (co_await self.find<Blobs>("blobs")).within(5min);
        int handled = 0;
        for (const char* name : {"again", "never"}) {
          auto nap = blobs.nap(300);
          auto sender = (co_await self.find<Blobs>(name)).within(5min);
          co_await sender.send(blobs, kMiB, static_cast<std::uint32_t>(handled), 8, true);
          co_await nap;
          co_await becomesRight(self, handled += 8);
        }
        EXPECT_EQ(Board::shared().notesAfter("right "), numbers(16));
        co_await becomesEmpty(self);
      });
}

TEST_F(LargeMessages, AsRepliesToACallerThatDiesAreFreed) {
  runApp(
      [](troupe::App& app) {
        app.child<BlobActor>("blobs");
        app.child<BlobActor>("caller", {.restart = Restart::permanent});
      },
      [](Self& self) -> Task<> {
        auto blobs = (co_await self.find<Blobs>("blobs")).within(5min);
        auto caller = (co_await self.find<Blobs>("caller")).within(5min);
        co_await caller.fetch(blobs, 8 * kMiB);
        co_await until(self, "the reply has come", [] { return Board::shared().count("fetched") == 1; });
        co_await becomesEmpty(self);
      });
}

// For each seed that its sender has told of, the casts of that turn come once, and right.
TEST_F(LargeMessages, SurviveAnyKillAndLeaveNothing) {
  runApp(
      [](troupe::App& app) {
        app.supervise({.maxRestarts = 100'000});
        app.child<BlobActor>("receiver");
        app.child<BlobActor>("sender");
        app.child<BlobActor>("other", {.onCrash = troupe::OnCrash::retry(100)});
      },
      [](Self& self) -> Task<> {
        auto receiver = (co_await self.find<Blobs>("receiver")).within(5min);
        auto sender = (co_await self.find<Blobs>("sender")).within(5min);
        auto other = (co_await self.find<Blobs>("other")).within(5min);
        std::uint32_t random = 20260101;
        for (int round = 0; round < 120; ++round) {
          random = random * 1664525U + 1013904223U;
          const char* const victim = random % 4 == 0 ? "receiver" : random % 4 == 1 ? "other" : "sender";
          const int pid = (co_await pidsOf(SupervisorRef("/"))).at(victim);
          auto casts = sender.send(other, 100'000, 1, 10, false);
          auto calls = sender.fetchAll(receiver, 200'000, 10);
          co_await self.sleepFor(std::chrono::microseconds(random >> 8 & 0x3fff));
          kill(pid, SIGKILL);
          try {
            co_await casts;
          } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::crashed) << error.message();
          }
          try {
            co_await calls;
          } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::crashed) << error.message();
          }
          co_await becomesRunning(self, SupervisorRef("/"), victim, pid);
        }
        EXPECT_TRUE((co_await receiver.check(filled(kMiB, 1)))->getRight());
        EXPECT_TRUE((co_await other.check(filled(kMiB, 1)))->getRight());
        EXPECT_TRUE(Board::shared().notesAfter("wrong ").empty());
        co_await becomesEmpty(self);
      });
}

TEST_F(LargeMessages, ThatLieAboutTheirBodiesAreDroppedAndHarmNothing) {
  const Ended ended = runApp([](troupe::App& app) { app.child<BlobActor>("blobs"); },
                             [](Self& self) -> Task<> {
                               auto blobs = (co_await self.find<Blobs>("blobs")).within(5min);
                               auto& arena = *troupe::actor::ActorProcess::current().arena().open();
                               const int before = (co_await pidsOf(SupervisorRef("/"))).at("blobs");
                               for (int lie = 0; lie < 8; ++lie) {
                                 auto block = arena.allocate(arena.nextSerial(), 10'000);
                                 for (std::uint32_t i = 0; i < block->ref.words * 2; ++i)
                                   reinterpret_cast<std::uint32_t*>(block->data)[i] = i * 2654435761U;
                                 auto honest = block->ref;
                                 std::vector<troupe::wire::BlockRef> blocks = {honest};
                                 if (lie == 1) blocks[0].offset = 0;
                                 if (lie == 2) blocks[0].offset += 8;
                                 if (lie == 3) blocks[0].offset = ~0ULL << 12;
                                 if (lie == 4) blocks[0].serial += 1;
                                 if (lie == 5) blocks[0].words += 1;
                                 if (lie == 6) blocks[0].words = ~0U;
                                 if (lie == 7) blocks.assign(64, honest);
                                 sendLie(blobs, blocks);
                                 EXPECT_TRUE((co_await blobs.check(filled(kMiB, 5)))->getRight())
                                     << "after lie " << lie;
                                 arena.free(honest);
                               }
                               EXPECT_EQ((co_await pidsOf(SupervisorRef("/"))).at("blobs"), before);
                               EXPECT_TRUE(Board::shared().notes().empty());
                               co_await becomesEmpty(self);
                             });
  EXPECT_NE(ended.err.find("is not in its sender's arena"), std::string::npos);
  EXPECT_NE(ended.err.find("malformed message"), std::string::npos);
}

TEST_F(LargeMessages, GoThroughAPool) {
  runApp([](troupe::App& app) { app.pool<BlobActor>("pool", {.size = 3}); },
         [](Self& self) -> Task<> {
           auto pool = (co_await self.find<Blobs>("pool")).within(5min);
           for (std::uint32_t i = 0; i < 30; ++i)
             EXPECT_TRUE((co_await pool.check(filled(kMiB, i)))->getRight());
           for (std::uint32_t i = 0; i < 30; ++i) co_await pool.keep(filled(kMiB, i));
           co_await becomesRight(self, 30);
           co_await becomesEmpty(self);
         });
}

}  // namespace tests
