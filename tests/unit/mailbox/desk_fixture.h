// For tests of the desk: one with its memory, the pipe that is its mailbox, and who writes to that.
//
// The death of a process is the end of its Desk object: all that outlives it lies in the memory. The states
// in between two of its steps are set up in that memory by hand.
#pragma once

#include <gtest/gtest.h>
#include <troupe/error.h>

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "mailbox/desk.h"
#include "mailbox/settle.h"
#include "os/packet_pipe.h"
#include "tests/unit/wire/messages.h"

namespace troupe::mailbox {

using test::Bytes;
using test::callOf;
using test::castOf;
using test::packetOf;
using test::textOf;

class DeskTest : public testing::Test {
 protected:
  DeskTest()
      : memory_(os::makeSharedMemory("desk", kDeskBytes)),
        pipe_(os::makePacketPipe()),
        writer_(os::openWriteEnd(pipe_)),
        mapping_(memory_) {
    start();
  }

  void start(bool alone = true) {
    desk_.emplace(
        memory(), os::openReadEnd(pipe_),
        [this](wire::ActorId sender, const std::string& what) {
          faults_.push_back(std::to_string(sender) + ": " + what);
        },
        alone);
  }
  // All of one message of a letter.
  std::size_t packetsInPipe() const {
    return os::waitingBytes(pipe_.get()) / packetOf({castOf("a")}, 5).size();
  }
  void die() { desk_.reset(); }
  // Death, the root's part, and the next process.
  Settlement restart() {
    die();
    Settlement settlement = settle(memory_);
    start();
    return settlement;
  }

  void deliver(const Bytes& packet) {
    ASSERT_EQ(os::writePacket(writer_.get(), packet.data(), packet.size()), os::PipeState::done);
  }
  void deliverTexts(const std::vector<std::string>& texts, wire::ActorId sender = 1) {
    std::vector<Bytes> messages;
    for (const auto& text : texts) messages.push_back(castOf(text));
    deliver(packetOf(messages, sender));
  }
  // Begins the next message; its text, or "-".
  std::string begin() {
    auto message = desk_->next();
    if (!message) return "-";
    tokens_.push_back(message->token);
    return textOf(message->words);
  }
  void fillSlots() {
    for (std::size_t i = 0; i < kDeskSlots; ++i) deliverTexts({"x"}), begin();
  }
  void finish(std::size_t which) { desk_->finish(tokens_.at(which)); }
  std::string handle() {
    auto message = desk_->next();
    if (!message) return "-";
    const std::string text = textOf(message->words);
    desk_->finish(message->token);
    return text;
  }
  // All that can be handled, in order: "a b c".
  std::string handleAll() {
    std::string all;
    for (std::string text = handle(); text != "-"; text = handle()) all += (all.empty() ? "" : " ") + text;
    return all;
  }

  DeskMemory& memory() { return *mapping_; }
  // As the kernel does it while the process is inside of read().
  void kernelWrites(std::size_t slot, const Bytes& packet) {
    std::memcpy(memory().packets[slot], packet.data(), packet.size());
  }

  os::Fd memory_;
  os::Fd pipe_;
  os::Fd writer_;
  MappedDesk mapping_;
  std::optional<Desk> desk_;
  std::vector<std::string> faults_;
  std::vector<MessageToken> tokens_;
};

}  // namespace troupe::mailbox
