// Large messages whose receiver goes: what their sender could not write is on its way to the root, and comes when it comes.
#include <csignal>

#include "mailbox/outbox.h"
#include "tests/unit/node/directory_fixture.h"
#include "wire/arena_memory.h"
#include "wire/arena_view.h"

namespace troupe::node {
namespace {

using mailbox::Destination;
using mailbox::Outbox;
using test::Bytes;
using test::runUntil;

constexpr std::size_t kMiB = 1 << 20;

// /b, whose process is this test, has a large message for /a, whose pipe it was never given.
class UndeliverableBodies : public DirectoryFixture {
 protected:
  UndeliverableBodies()
      : a_(claim("/a")),
        b_(claim("/b", {.maxMessageBytes = kMiB})),
        arena_(std::move(b_.arena), kMiB, b_.generation),
        sending_(std::make_unique<Sending>(*this)),
        toA_(introduced("/b", a_)) {
    EXPECT_EQ(sending_->outbox.put(mailboxOfA(), large()), Outbox::Put::placed);
  }

  Destination mailboxOfA() const { return {a_.id, wire::Lane::mailbox}; }

  Bytes large() {
    wire::OutgoingMessage message(&arena_);
    message.envelope().initCast().setInterface(1);
    message.body().setAs<capnp::Text>(std::string(kMiB / 2, 'x').c_str());
    return test::bytesOf(message.finish("a cast"));
  }
  std::size_t blocks() {
    std::size_t count = 0;
    arena_.open()->view().forEach([&count](const wire::ArenaView::Block&) { ++count; });
    return count;
  }
  // One that lies in the mailbox of /a, as far as anybody can see: it is freed when all is cleared up.
  wire::BlockRef layInMailbox() {
    const auto block = arena_.open()->allocate(arena_.open()->nextSerial(), 10);
    arena_.open()->sending(block->ref, {a_.id, static_cast<std::uint32_t>(wire::Lane::mailbox)});
    arena_.open()->sent(block->ref);
    return block->ref;
  }
  void sayUndeliverable() {
    say("/b", [this](Control::Builder root) {
      auto undeliverable = root.initUndeliverable();
      undeliverable.setActor(a_.id);
      undeliverable.setPacket({reinterpret_cast<const kj::byte*>(given_.data()), given_.size()});
    });
  }

  const ExitReason segv_ = {.kind = ExitKind::signaled, .code = SIGSEGV};
  Given a_;
  Given b_;
  wire::ArenaMemory arena_;
  // What keeps the desk mapped, and with it locked.
  struct Sending {
    explicit Sending(UndeliverableBodies& test)
        : desk(test.b_.desk),
          log(*desk, test.b_.generation),
          outbox(
              test.loop_, {.actor = test.b_.id, .generation = test.b_.generation, .arena = &test.arena_}, log,
              [](Destination) {},
              [&test](wire::ActorId, std::span<const std::byte> packet) {
                test.given_ = test::bytesOf(packet);
              }) {}
    mailbox::MappedDesk desk;
    mailbox::TurnLog log;
    Outbox outbox;
  };
  std::unique_ptr<Sending> sending_;
  os::Fd toA_;
  Bytes given_;
};

TEST_F(UndeliverableBodies, AreStillThereWhenTheRootIsToldAfterItHasClearedUp) {
  const wire::BlockRef cleared = layInMailbox();
  dies(a_, segv_);
  forget("/a", segv_);

  toA_.reset();
  sending_->outbox.close(mailboxOfA());
  ASSERT_TRUE(runUntil(loop_, [&] { return !arena_.open()->view().content(cleared); }));
  sayUndeliverable();

  ASSERT_EQ(dead_.size(), 1U);
  EXPECT_EQ(dead_.back().path, "/a");
  EXPECT_GT(dead_.back().message.size(), kMiB / 2) << "its body is kept with it";
  EXPECT_EQ(blocks(), 0U);
}

TEST_F(UndeliverableBodies, ForOneThatHasBeenForgottenAreDeadLettersAllTheSame) {
  dies(a_, segv_);
  forget("/a", segv_);
  for (int i = 0; i < 5'000; ++i) {
    claimSupervisor("/other");
    forget("/other");
  }

  toA_.reset();
  sending_->outbox.close(mailboxOfA());
  sayUndeliverable();

  ASSERT_EQ(dead_.size(), 1U);
  EXPECT_EQ(receiverOf(dead_.back()), "actor " + std::to_string(a_.id));
  EXPECT_EQ(dead_.back().reason.toString(), "stopped: so long ago that it is not remembered how");
  EXPECT_GT(dead_.back().message.size(), kMiB / 2);
  EXPECT_EQ(blocks(), 0U);
}

// Whatever it is that cannot be reached: here /a lives.
TEST_F(UndeliverableBodies, OfASenderThatDiesBeforeItTellsAreFreed) {
  sending_->outbox.close(mailboxOfA());
  EXPECT_GT(blocks(), 0U);

  sending_.reset();
  dies(b_, segv_);

  EXPECT_EQ(blocks(), 0U);
}

}  // namespace
}  // namespace troupe::node
