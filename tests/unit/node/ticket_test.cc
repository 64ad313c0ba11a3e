// The ticket of a child that is started by exec: what is written is read, and nonsense is refused in words.
#include "supervision/ticket.h"

#include <gtest/gtest.h>
#include <troupe/error.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <random>

#include "os/shared_memory.h"
#include "tests/unit/os/children.h"

namespace troupe::supervision {
namespace {

class TicketTest : public testing::Test {
 protected:
  ~TicketTest() override { ::unsetenv(kTicketVariable); }
  static void set(const std::string& value) { ::setenv(kTicketVariable, value.c_str(), 1); }
  // Gives the memory's descriptor away, as a fresh image gets it.
  static void give(const os::Fd& memory) { set(std::to_string(::dup(memory.get()))); }
  static std::string refusal() {
    try {
      static_cast<void>(readTicket());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid);
      return error.message();
    }
    return "not refused";
  }
};

TEST_F(TicketTest, WithoutTheVariableThereIsNone) { EXPECT_FALSE(readTicket()); }

TEST_F(TicketTest, WhatWasWrittenIsRead) {
  Ticket ticket;
  ticket.path = "/shop/till:3";
  ticket.declared = "till";
  ticket.type = "4Till";
  ticket.assignment.id = 7;
  ticket.assignment.generation = 2;
  ticket.assignment.control = os::Fd(::dup(0));
  ticket.assignment.ends.desk = os::Fd(::dup(0));
  ticket.assignment.ends.arena = os::Fd(::dup(0));
  ticket.assignment.maxMessageBytes = 1000;
  ticket.spare = true;
  ticket.assignment.arguments = {std::int64_t{5}, std::string("text"),
                                 ownDescriptor(DescriptorArgument::Kind::stream, ::dup(0))};
  ticket.inherited = {{.fd = ::dup(0), .index = 4}};
  WrittenTicket written = writeTicket(ticket);
  EXPECT_EQ(written.keep.size(), 6U);
  // The fresh image has these numbers, and the writer has them no more.
  set(std::to_string(written.memory.release()));
  ticket.assignment.control.release();
  ticket.assignment.ends.desk.release();
  ticket.assignment.ends.arena.release();
  const auto read = readTicket();
  ASSERT_TRUE(read);
  EXPECT_EQ(std::getenv(kTicketVariable), nullptr) << "not for the children of this process";
  EXPECT_EQ(read->path, "/shop/till:3");
  EXPECT_EQ(read->declared, "till");
  EXPECT_EQ(read->type, "4Till");
  EXPECT_EQ(read->assignment.id, 7U);
  EXPECT_EQ(read->assignment.generation, 2U);
  EXPECT_TRUE(read->assignment.control.valid());
  EXPECT_FALSE(read->assignment.ends.mailbox.valid());
  EXPECT_TRUE(read->assignment.ends.desk.valid());
  EXPECT_TRUE(read->assignment.ends.arena.valid());
  EXPECT_EQ(read->assignment.maxMessageBytes, 1000U);
  EXPECT_TRUE(read->spare);
  ASSERT_EQ(read->assignment.arguments.size(), 3U);
  EXPECT_EQ(std::get<std::string>(read->assignment.arguments[1]), "text");
  ASSERT_EQ(read->inherited.size(), 1U);
  EXPECT_EQ(read->inherited[0].index, 4U);
  ::close(read->inherited[0].fd);
}

TEST_F(TicketTest, AValueThatIsNoDescriptorIsRefusedByName) {
  for (const char* value : {"", "x", "-1", "2", "7x", "99999999999999999999", "123456"}) {
    set(value);
    EXPECT_NE(refusal().find(std::string("the environment variable ") + kTicketVariable), std::string::npos)
        << value;
    EXPECT_EQ(std::getenv(kTicketVariable), nullptr);
  }
}

TEST_F(TicketTest, MemoryThatIsTooSmallOrHoldsNoTicketIsRefused) {
  give(os::makeSharedMemory("small", 4096));
  EXPECT_NE(refusal(), "not refused");
  give(os::makeSharedMemory("blank", 64 * 1024));
  EXPECT_NE(refusal(), "not refused");
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  set(std::to_string(ends[0]));
  EXPECT_NE(refusal(), "not refused");
  ::close(ends[1]);
}

TEST_F(TicketTest, AnyBytesAreRefusedOrReadAndNoMore) {
  Ticket ticket;
  ticket.path = "/a";
  ticket.assignment.arguments = {std::string("text"), true, RefBase(7, "/b")};
  const WrittenTicket written = writeTicket(ticket);
  // Numbers among the bytes may happen to be those of open descriptors, which are then taken over: not those
  // of this process.
  os::test::Child child([&] {
    const os::Mapping mapping(written.memory, 4096);
    auto* const bytes = static_cast<unsigned char*>(mapping.data());
    const std::vector<unsigned char> good(bytes, bytes + 512);
    std::mt19937 random(3);
    for (int round = 0; round < 5000; ++round) {
      std::memcpy(bytes, good.data(), good.size());
      for (int i = 0; i < 3; ++i)
        bytes[random() % good.size()] = static_cast<unsigned char>(random() % 4 == 0 ? random() : 0);
      give(written.memory);
      try {
        static_cast<void>(readTicket());
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::invalid) return 1;
      }
    }
    return 0;
  });
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace
}  // namespace troupe::supervision
