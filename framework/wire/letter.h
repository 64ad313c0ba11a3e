// A dead letter: a message that no process handled to its end, with all that is known of it; and its form in files
// (schemas/dead_letter.capnp).
//
// Errors:  reading throws `invalid` where the bytes are no letter; what stands in the message itself is not looked at.
// Threads: any; plain values.
#pragma once

#include <troupe/exit_reason.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "schemas/dead_letter.capnp.h"
#include "wire/packet.h"

namespace troupe::wire {

struct Letter {
  std::uint64_t number = 0;
  std::chrono::system_clock::time_point time = {};
  ActorId actor = 0;
  std::string path = {};  // empty where it is not remembered: the actor went long ago
  ActorId sender = 0;
  std::string senderPath = {};  // likewise
  std::uint32_t senderGeneration = 0;
  std::uint64_t interfaceId = 0;
  std::uint16_t method = 0;
  std::string methodName = {};
  bool call = false;
  ExitReason reason = {};
  unsigned attempts = 0;
  std::uint64_t messageBytes = 0;       // also where only the head of the letter was read
  std::uint64_t lostBodyBytes = 0;      // of a large message whose body is not kept
  std::vector<std::byte> message = {};  // framed
};

// Whose letter it is, for a human: the path, or "actor 12".
std::string receiverOf(const Letter& letter);
std::string senderOf(const Letter& letter);

// Takes from the message whether it is a call or a cast, of which method, and its size. Where it is malformed, nothing is taken.
void describeMessage(Letter& letter);

// With `message`, or without it.
enum class LetterPart : std::uint8_t { whole, headOnly };
void write(DeadLetter::Builder to, const Letter& letter, LetterPart part = LetterPart::whole);
Letter read(DeadLetter::Reader from);

// As bytes of a file.
std::vector<std::byte> encodeLetter(const Letter& letter);
Letter decodeLetter(std::span<const std::byte> bytes);

}  // namespace troupe::wire
