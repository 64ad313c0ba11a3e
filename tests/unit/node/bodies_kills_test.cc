// Large messages whose sender is killed, or gives them up, while their receiver goes: whose a block is, at each point between. The
// state that a kill leaves is made by hand.
#include <csignal>
#include <limits>
#include <stdexcept>

#include "mailbox/desk.h"
#include "mailbox/outbox.h"
#include "tests/unit/node/directory_fixture.h"
#include "wire/arena_memory.h"
#include "wire/arena_view.h"

namespace troupe::node {
namespace {

using mailbox::Destination;
using mailbox::Outbox;
using mailbox::TurnLog;
using test::Bytes;

constexpr std::size_t kRoom = 1 << 20;
using Told = std::function<void(std::span<const std::byte>)>;
enum class Kill { no, beforeTelling, afterTelling };

// One that sends, with what it was given.
struct Sender {
  Sender(loop::Loop& loop, Given granted, Told told)
      : given(std::move(granted)),
        mapped(given.desk),
        desk(*mapped, std::move(given.mailbox), {}),
        log(*mapped, given.generation),
        arena(std::move(given.arena), kRoom, given.generation),
        outbox(
            loop, {.actor = given.id, .generation = given.generation, .arena = &arena}, log,
            [](Destination) {}, [told](wire::ActorId, std::span<const std::byte> packet) { told(packet); }) {}

  Bytes large() {
    wire::OutgoingMessage message(&arena);
    message.envelope().initCast().setInterface(1);
    message.body().setAs<capnp::Text>(std::string(kRoom / 2, 'x').c_str());
    return test::bytesOf(message.finish("a cast"));
  }
  TurnLog::Handle commit(Destination to, const Bytes& message) {
    const auto record = log.addMessage(to, std::numeric_limits<std::int64_t>::max(), message);
    log.commit();
    log.carriedOut();
    return record;
  }
  void cast(Destination to) {
    const Bytes message = large();
    outbox.send(to, message, commit(to, message));
  }
  // As far as its blocks are concerned; the record stays.
  Bytes committedAndWritten(Destination to) {
    const Bytes message = large();
    log.setNumber(commit(to, message), log.number(1));
    for (const auto& block : wire::blocksOf(message)) {
      arena.open()->sending(block, {to.actor, static_cast<std::uint32_t>(to.lane)});
      arena.open()->sent(block);
    }
    return message;
  }

  Given given;
  mailbox::MappedDesk mapped;
  mailbox::Desk desk;
  TurnLog log;
  wire::ArenaMemory arena;
  Outbox outbox;
};

// /b sends to /a and /c.
class BodiesKills : public DirectoryFixture {
 protected:
  BodiesKills() : a_(claim("/a")), c_(claim("/c")) {
    start();
    toA_ = introduced("/b", a_);
    toC_ = introduced("/b", c_);
    seen_ = os::openSharedMemory(directory_.entries().at("/b")->arena);
    mapping_ = os::Mapping(seen_, os::sizeOf(seen_));
    view_ = wire::ArenaView({static_cast<std::byte*>(mapping_.data()), mapping_.bytes()});
  }

  void start() {
    Given given = claim("/b", {.maxMessageBytes = kRoom});
    b_.id = given.id;
    b_.generation = given.generation;
    sender_ = std::make_unique<Sender>(loop_, std::move(given), [this](std::span<const std::byte> packet) {
      if (killed_ == Kill::beforeTelling) throw std::runtime_error("killed");
      given_.push_back(test::bytesOf(packet));
      if (killed_ == Kill::afterTelling) throw std::runtime_error("killed");
    });
  }
  void dieOfB() {
    killed_ = Kill::no;
    sender_.reset();
    toA_.reset();
    ended(b_, {.kind = ExitKind::signaled, .code = SIGKILL});
  }
  // The next process, up to what its outbox has to send.
  void restart() {
    dieOfB();
    start();
    sender_->outbox.resend();
  }
  void goes(Given& actor, const std::string& path, const std::string& from = "/") {
    dies(actor, segv_, from);
    forget(path, segv_, from);
    settleAll();
  }
  // Until the root has nothing left to do, nor to wait for.
  void settleAll() { loop_.run(); }
  // As far as the root comes while /b does not move on.
  void settleSome() {
    loop::Timer enough(loop_, [this] { loop_.stop(); });
    enough.startIn(std::chrono::milliseconds(200));
    loop_.run();
  }
  void kill(Kill at, Destination to) {
    killed_ = at;
    EXPECT_THROW(sender_->outbox.close(to), std::runtime_error);
  }
  void giveUp(Destination to) {
    sender_->outbox.close(to);
    sayUndeliverable(to);
  }
  // The root does what it can between the first store and the next. What lay in the mailbox is not asked for.
  void giveUpWhileTheRootClearsUp(Destination to) {
    sender_->arena.open()->watch([this, once = true]() mutable {
      if (std::exchange(once, false)) settleSome();
    });
    sender_->outbox.close(to);
    settleAll();
    dead_.clear();
    sayUndeliverable(to);
  }
  void sayUndeliverable(Destination to) {
    for (const Bytes& packet : std::exchange(given_, {})) {
      say("/b", [&](Control::Builder root) {
        auto undeliverable = root.initUndeliverable();
        undeliverable.setActor(to.actor);
        undeliverable.setPacket({reinterpret_cast<const kj::byte*>(packet.data()), packet.size()});
      });
    }
  }
  void fill(const os::Fd& mailbox) {
    const auto filler = test::packetOf({test::castOf(std::string(3000, 'f'))});
    while (os::writePacket(mailbox.get(), filler.data(), filler.size()) == os::PipeState::done) {}
  }

  static Destination mailboxOf(const Given& of) { return {of.id, wire::Lane::mailbox}; }
  // All there are: "page 3 of serial 7 in state 2 for 4/0", one a line.
  std::string blocks() {
    std::string all;
    view_.forEach([&](const wire::ArenaView::Block& block) {
      all += "page " + std::to_string(block.page) + " of serial " + std::to_string(block.serial) +
             " in state " + std::to_string(static_cast<int>(block.state)) + " for " +
             std::to_string(block.to.actor) + "/" + std::to_string(block.to.lane) + "\n";
    });
    return all;
  }
  // Whether the next message in that mailbox has its body still.
  testing::AssertionResult hasBody(const os::Fd& mailbox) {
    alignas(8) std::byte packet[os::kPacketBytes];
    const auto got = os::readPacket(mailbox.get(), packet);
    wire::PacketView parsed;
    if (got.state != os::PipeState::done ||
        wire::PacketView::parse(packet, got.bytes, parsed) != wire::PacketFault::none)
      return testing::AssertionFailure() << "there is no packet";
    for (const auto& block : wire::blocksOf(parsed.message(0)))
      if (!view_.content(block)) return testing::AssertionFailure() << "a block of it was freed";
    return testing::AssertionSuccess();
  }
  void expectLettersWithBodies(std::size_t count) {
    ASSERT_EQ(dead_.size(), count);
    for (const wire::Letter& letter : dead_) EXPECT_GT(letter.message.size(), kRoom / 2);
    EXPECT_EQ(blocks(), "");
  }

  const ExitReason segv_ = {.kind = ExitKind::signaled, .code = SIGSEGV};
  Given a_, c_, b_;
  std::unique_ptr<Sender> sender_;
  os::Fd toA_, toC_, seen_;
  os::Mapping mapping_;
  wire::ArenaView view_;
  std::vector<Bytes> given_;
  Kill killed_ = Kill::no;
};

TEST_F(BodiesKills, BeforeItIsWrittenACommittedMessageKeepsItsBodyThoughItsReceiverGoes) {
  const Bytes message = sender_->large();
  sender_->commit(mailboxOf(a_), message);
  for (const auto& block : wire::blocksOf(message))
    sender_->arena.open()->sending(block, {a_.id, static_cast<std::uint32_t>(wire::Lane::mailbox)});
  dieOfB();
  goes(a_, "/a");

  start();
  sender_->outbox.resend();
  giveUp(mailboxOf(a_));

  expectLettersWithBodies(1);
}

// The block of a message that was freed may be another's by the time it comes again.
TEST_F(BodiesKills, ARepetitionOfOneThatIsDoneTakesNobodysBlock) {
  for (const auto& block : wire::blocksOf(sender_->committedAndWritten(mailboxOf(a_)))) view_.free(block);
  restart();
  sender_->cast(mailboxOf(c_));
  sender_->outbox.introduced(mailboxOf(c_), std::move(toC_));
  sender_->outbox.flush();
  const std::string before = blocks();

  sender_->outbox.introduced(mailboxOf(a_), introduced("/b", a_));
  sender_->outbox.flush();

  EXPECT_EQ(blocks(), before);
  sender_->outbox.close(mailboxOf(a_));
  goes(a_, "/a");
  EXPECT_TRUE(hasBody(c_.mailbox));
}

TEST_F(BodiesKills, AfterItHasToldOfItTheRepetitionTakesNobodysBlock) {
  sender_->cast(mailboxOf(a_));
  toA_.reset();
  goes(a_, "/a");
  kill(Kill::afterTelling, mailboxOf(a_));
  sayUndeliverable(mailboxOf(a_));
  expectLettersWithBodies(1);
  restart();
  sender_->cast(mailboxOf(c_));
  sender_->outbox.introduced(mailboxOf(c_), std::move(toC_));
  sender_->outbox.flush();
  const std::string before = blocks();

  sender_->outbox.close(mailboxOf(a_));

  EXPECT_EQ(blocks(), before);
  dieOfB();
  EXPECT_TRUE(hasBody(c_.mailbox));
}

TEST_F(BodiesKills, BeforeItTellsOfItAMessageOfOneThatGoesForGoodIsALetterWithItsBody) {
  sender_->cast(mailboxOf(a_));
  toA_.reset();
  kill(Kill::beforeTelling, mailboxOf(a_));
  goes(a_, "/a");
  dieOfB();

  forget("/b", segv_);
  settleAll();

  expectLettersWithBodies(1);
}

TEST_F(BodiesKills, AtAnyStoreOfGivingUpTheNextProcessHasTheBody) {
  toA_.reset();
  goes(a_, "/a");
  const wire::BlockTarget nobody{a_.id, wire::kUndeliverable};
  for (int stores = 0; stores < 3; ++stores) {
    sender_->cast(mailboxOf(a_));
    view_.forEach([&](const wire::ArenaView::Block& block) {
      if (stores == 0) view_.address(view_.refTo(block), nobody);
      if (stores > 0) sender_->arena.open()->sending(view_.refTo(block), nobody);
      if (stores > 1) sender_->arena.open()->sent(view_.refTo(block));
    });
    restart();
    giveUp(mailboxOf(a_));
    expectLettersWithBodies(static_cast<std::size_t>(stores) + 1);
  }
}

// It lies in the mailbox of the pool by then.
TEST_F(BodiesKills, AMessageToAWorkerThatHasGoneIsStillItsPools) {
  claim("/p", {.role = Role::pool});
  Given worker = claim("/p/w", {.role = Role::poolWorker});
  Given other = claim("/p/v", {.role = Role::poolWorker});
  os::Fd toWorker = introduced("/b", worker);
  goes(worker, "/p/w", "/p");
  sender_->cast(mailboxOf(worker));
  sender_->outbox.introduced(mailboxOf(worker), std::move(toWorker), true);
  sender_->outbox.flush();

  dieOfB();

  EXPECT_TRUE(hasBody(other.mailbox));
}

TEST_F(BodiesKills, AWorkerMayGoWhileAMessageToItIsGivenUp) {
  claim("/p", {.role = Role::pool});
  Given worker = claim("/p/w", {.role = Role::poolWorker});
  sender_->cast(mailboxOf(worker));
  sender_->outbox.close(mailboxOf(worker));

  goes(worker, "/p/w", "/p");
  sayUndeliverable(mailboxOf(worker));

  expectLettersWithBodies(1);
}

// The next /b has no descriptor left for /a, which lives and has the message in its mailbox.
TEST_F(BodiesKills, ARepetitionThatIsGivenUpTakesNothingFromAReceiverThatLives) {
  const Bytes message = sender_->committedAndWritten(mailboxOf(a_));
  wire::PacketBuilder packet;
  packet.append(message);
  const auto bytes = packet.finish(b_.id, b_.generation, 1);
  ASSERT_EQ(os::writePacket(toA_.get(), bytes.data(), bytes.size()), os::PipeState::done);

  restart();
  giveUp(mailboxOf(a_));

  EXPECT_TRUE(hasBody(a_.mailbox));
}

// One packet was collected before it was known that several read that pipe: so both may be written again, and look as if they had been.
TEST_F(BodiesKills, WhatAPoolThatGoesHadNoRoomForKeepsItsBodiesWhileTheRootClearsUp) {
  Given pool = claim("/p", {.role = Role::pool});
  os::Fd toPool = introduced("/b", pool);
  fill(toPool);
  for (int i = 0; i < 2; ++i) sender_->cast(mailboxOf(pool));
  sender_->outbox.introduced(mailboxOf(pool), std::move(toPool), true);
  sender_->outbox.flush();
  ended(pool, segv_);
  forget("/p", segv_);

  giveUpWhileTheRootClearsUp(mailboxOf(pool));

  expectLettersWithBodies(2);
}

TEST_F(BodiesKills, WhatWasSentAgainToAFullMailboxKeepsItsBodiesWhileTheRootClearsUp) {
  fill(toA_);
  for (int i = 0; i < 2; ++i) {
    const Bytes message = sender_->large();
    sender_->log.setNumber(sender_->commit(mailboxOf(a_), message), sender_->log.number(1));
  }
  restart();
  sender_->outbox.introduced(mailboxOf(a_), introduced("/b", a_));
  sender_->outbox.flush();
  dies(a_, segv_);
  forget("/a", segv_);

  giveUpWhileTheRootClearsUp(mailboxOf(a_));

  expectLettersWithBodies(2);
}

}  // namespace
}  // namespace troupe::node
