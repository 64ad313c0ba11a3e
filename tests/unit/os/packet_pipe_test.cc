#include "os/packet_pipe.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <troupe/error.h>

#include <array>
#include <csignal>
#include <string>

#include "os/signals.h"
#include "tests/unit/os/children.h"

namespace troupe::os {
namespace {

std::string readOne(const Fd& fd) {
  std::array<char, kPacketBytes> room;
  const PacketRead read = readPacket(fd.get(), room.data());
  return read.state == PipeState::done ? std::string(room.data(), read.bytes) : "";
}

PipeState writeOne(const Fd& fd, const std::string& packet) {
  return writePacket(fd.get(), packet.data(), packet.size());
}

PipeState readState(const Fd& fd) {
  std::array<char, kPacketBytes> room;
  return readPacket(fd.get(), room.data()).state;
}

TEST(PacketPipe, EachWriteIsReadBackWholeAndAlone) {
  const Fd keeper = makePacketPipe();
  const Fd writer = openWriteEnd(keeper);
  const Fd reader = openReadEnd(keeper);
  const std::string full(kPacketBytes, 'x');

  ASSERT_EQ(writeOne(writer, "one"), PipeState::done);
  ASSERT_EQ(writeOne(writer, full), PipeState::done);
  ASSERT_EQ(writeOne(writer, "three"), PipeState::done);

  EXPECT_EQ(readOne(reader), "one");
  EXPECT_EQ(readOne(reader), full);
  EXPECT_EQ(readOne(reader), "three");
  EXPECT_EQ(readState(reader), PipeState::wouldBlock);
}

TEST(PacketPipe, AReadEndThatAPipeIsMadeWithIsLikeAnyOther) {
  const auto [keeper, reader] = makeReadPipe();
  const Fd writer = openWriteEnd(keeper);

  ASSERT_EQ(writeOne(writer, "one"), PipeState::done);
  ASSERT_EQ(writeOne(writer, "two"), PipeState::done);

  EXPECT_EQ(readOne(reader), "one");
  EXPECT_EQ(readOne(openReadEnd(keeper)), "two");
  EXPECT_EQ(readState(reader), PipeState::wouldBlock);
  EXPECT_EQ(::fcntl(reader.get(), F_GETFD), FD_CLOEXEC);
}

TEST(PacketPipe, PacketsOfSeveralWritersStayApart) {
  const Fd keeper = makePacketPipe();
  const Fd first = openWriteEnd(keeper);
  const Fd second = openWriteEnd(keeper);
  const Fd reader = openReadEnd(keeper);

  ASSERT_EQ(writeOne(first, "a"), PipeState::done);
  ASSERT_EQ(writeOne(second, "b"), PipeState::done);
  ASSERT_EQ(writeOne(keeper, "c"), PipeState::done) << "the keeper is a write end too";

  EXPECT_EQ(readOne(reader), "a");
  EXPECT_EQ(readOne(reader), "b");
  EXPECT_EQ(readOne(reader), "c");
}

TEST(PacketPipe, PacketsCanBeSeenWithoutTakingThem) {
  const Fd keeper = makePacketPipe();
  const Fd writer = openWriteEnd(keeper);
  const Fd reader = openReadEnd(keeper);
  EXPECT_TRUE(peekPackets(keeper)->empty());
  const std::string full(kPacketBytes, 'x');
  for (const std::string& each : {std::string("one"), full, std::string("three")})
    ASSERT_EQ(writeOne(writer, each), PipeState::done);

  const auto seen = peekPackets(keeper);
  ASSERT_TRUE(seen);
  ASSERT_EQ(seen->size(), 3U);
  EXPECT_EQ((*seen)[0].size(), 3U);
  EXPECT_EQ((*seen)[1].size(), kPacketBytes);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>((*seen)[2].data()), (*seen)[2].size()), "three");
  EXPECT_EQ(readOne(reader), "one");
  EXPECT_EQ(readOne(reader), full);
  EXPECT_EQ(readOne(reader), "three");
}

TEST(PacketPipe, TheKeeperHidesThatEndsAreClosed) {
  const Fd keeper = makePacketPipe();
  Fd writer = openWriteEnd(keeper);
  Fd reader = openReadEnd(keeper);
  ASSERT_EQ(writeOne(writer, "kept"), PipeState::done);

  writer.reset();
  reader.reset();

  EXPECT_EQ(writeOne(openWriteEnd(keeper), "later"), PipeState::done) << "no reader, but it may come back";
  const Fd again = openReadEnd(keeper);
  EXPECT_EQ(readOne(again), "kept");
  EXPECT_EQ(readOne(again), "later");
  EXPECT_EQ(readState(again), PipeState::wouldBlock) << "no writer, but one may come back";
}

TEST(PacketPipe, WithoutAKeeperTheOtherEndsGoingIsSeen) {
  ignoreBrokenPipes();
  Fd keeper = makePacketPipe();
  Fd writer = openWriteEnd(keeper);
  Fd reader = openReadEnd(keeper);
  const Fd otherReader = openReadEnd(keeper);
  keeper.reset();

  ASSERT_EQ(writeOne(writer, "last"), PipeState::done);
  writer.reset();

  EXPECT_EQ(readOne(reader), "last");
  EXPECT_EQ(readState(reader), PipeState::closed);

  Fd lonely = makePacketPipe();
  writer = openWriteEnd(lonely);
  lonely.reset();
  EXPECT_EQ(writeOne(writer, "nobody"), PipeState::closed);
}

TEST(PacketPipe, AFullPipeTakesAllOfAPacketOrNothing) {
  const Fd keeper = makePacketPipe();
  const Fd writer = openWriteEnd(keeper);
  const Fd reader = openReadEnd(keeper);
  const std::string packet(3000, 'p');
  int written = 0;
  while (writeOne(writer, packet) == PipeState::done) ++written;
  ASSERT_GT(written, 0);

  EXPECT_EQ(readOne(reader), packet);
  EXPECT_EQ(writeOne(writer, packet), PipeState::done);
  EXPECT_EQ(writeOne(writer, packet), PipeState::wouldBlock);

  for (int i = 0; i < written; ++i) EXPECT_EQ(readOne(reader), packet);
  EXPECT_EQ(readState(reader), PipeState::wouldBlock);
}

TEST(PacketPipe, ASizeIsAskedForAndARefusalIsNoError) {
  const Fd keeper = makePacketPipe(128 * 1024);
  EXPECT_GE(::fcntl(keeper.get(), F_GETPIPE_SZ), 4096);
  EXPECT_NO_THROW(makePacketPipe(std::size_t{1} << 31)) << "more than any pipe may have";
}

TEST(PacketPipe, RoomIsMadeAndNeverTakenBack) {
  const Fd keeper = makePacketPipe();
  const Fd reader = openReadEnd(keeper);
  if (::fcntl(keeper.get(), F_SETPIPE_SZ, 64 * kPacketBytes) < 0) GTEST_SKIP() << "no room for larger pipes";
  makeRoom(reader.get(), 128);
  EXPECT_EQ(::fcntl(keeper.get(), F_GETPIPE_SZ), 128 * 4096);
  makeRoom(reader.get(), 32);
  EXPECT_EQ(::fcntl(keeper.get(), F_GETPIPE_SZ), 128 * 4096);
  EXPECT_NO_THROW(makeRoom(reader.get(), 1U << 18)) << "more than any pipe may have";
}

TEST(PacketPipe, EndsAreNonBlockingAndCloseOnExec) {
  const Fd keeper = makePacketPipe();
  const Fd writer = openWriteEnd(keeper);
  const Fd reader = openReadEnd(keeper);
  for (const Fd* end : {&keeper, &writer, &reader}) {
    EXPECT_TRUE(::fcntl(end->get(), F_GETFL) & O_NONBLOCK);
    EXPECT_TRUE(::fcntl(end->get(), F_GETFD) & FD_CLOEXEC);
  }
}

TEST(PacketPipe, APacketOfNoOrTooManyBytesIsRefused) {
  const Fd keeper = makePacketPipe();
  EXPECT_THROW(writeOne(keeper, ""), Error);
  EXPECT_THROW(writeOne(keeper, std::string(kPacketBytes + 1, 'x')), Error);
}

TEST(PacketPipe, ReadersInSeveralProcessesShareThePacketsAndGetEachWhole) {
  constexpr int kPackets = 2000;
  const Fd keeper = makePacketPipe();
  const Fd results = makePacketPipe();
  const auto readAll = [&] {
    const Fd reader = openReadEnd(keeper);
    for (;;) {
      if (!test::becomesReadable(reader.get())) return 1;
      const std::string packet = readOne(reader);
      if (packet.empty()) continue;  // another one was faster
      if (packet == "end") return 0;
      if (packet.size() != 100 || packet.find_first_not_of(packet[0]) != std::string::npos) return 2;
      while (writePacket(results.get(), "1", 1) == PipeState::wouldBlock) {}
    }
  };
  test::Child first(readAll);
  test::Child second(readAll);
  int seen = 0;
  const auto drain = [&] {
    while (!readOne(results).empty()) ++seen;
  };
  const auto send = [&](const std::string& packet) {
    while (writeOne(keeper, packet) == PipeState::wouldBlock) drain();
  };

  for (int i = 0; i < kPackets; ++i) send(std::string(100, static_cast<char>('a' + i % 26)));
  while (seen < kPackets && test::becomesReadable(results.get())) drain();
  send("end");
  send("end");

  EXPECT_EQ(first.exitCode(), 0);
  EXPECT_EQ(second.exitCode(), 0);
  drain();
  EXPECT_EQ(seen, kPackets);
}

}  // namespace
}  // namespace troupe::os
