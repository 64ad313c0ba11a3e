// The proof that somebody has a key, which does not tell the key: HMAC-SHA-256 of bytes that both sides have just made up.
//
// Each proves something else ("troupe client", "troupe app"), so that nobody can answer a challenge by handing it on to the one who
// asked.
//
// Errors:  system, where a key file can't be read.
// Threads: any.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace troupe::wire {

inline constexpr std::size_t kNonceBytes = 32;
using Nonce = std::array<std::byte, kNonceBytes>;
using Proof = std::array<std::byte, 32>;

// Bytes that nobody can guess, and that never come again.
Nonce newNonce();
// Nothing, where they are not so many.
std::optional<Nonce> nonceOf(std::span<const std::byte> bytes);

enum class Prover { client, app };
Proof proofOf(const std::string& key, Prover who, const Nonce& ofClient, const Nonce& ofApp);
// In a time that does not tell how much of it is right.
bool isProof(std::span<const std::byte> given, const Proof& right);

// $TROUPE_KEY, or what is in the file that $TROUPE_KEY_FILE names, without the end of its last line. Empty: none.
std::string keyOfEnvironment();

}  // namespace troupe::wire
