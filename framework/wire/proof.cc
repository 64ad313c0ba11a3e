#include "wire/proof.h"

#include <sodium.h>
#include <troupe/error.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "os/file.h"

namespace troupe::wire {

namespace {

constexpr std::size_t kMostKeyFileBytes = 64 * 1024;

// It finds out, once, what this processor can do, and where random bytes come from.
void prepare() {
  static const int ready = sodium_init();
  if (ready < 0) throw Error(ErrorKind::invalid, "libsodium can't be used: no random bytes are to be had");
}

const unsigned char* bytesOf(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

Nonce newNonce() {
  prepare();
  Nonce nonce;
  randombytes_buf(nonce.data(), nonce.size());
  return nonce;
}

std::optional<Nonce> nonceOf(std::span<const std::byte> bytes) {
  if (bytes.size() != kNonceBytes) return std::nullopt;
  Nonce nonce;
  std::ranges::copy(bytes, nonce.begin());
  return nonce;
}

Proof proofOf(const std::string& key, Prover who, const Nonce& ofClient, const Nonce& ofApp) {
  prepare();
  const std::string_view title = who == Prover::client ? "troupe client" : "troupe app";
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, bytesOf(std::as_bytes(std::span(key))), key.size());
  crypto_auth_hmacsha256_update(&state, bytesOf(std::as_bytes(std::span(title))), title.size());
  crypto_auth_hmacsha256_update(&state, bytesOf(ofClient), ofClient.size());
  crypto_auth_hmacsha256_update(&state, bytesOf(ofApp), ofApp.size());
  Proof proof;
  static_assert(sizeof(Proof) == crypto_auth_hmacsha256_BYTES);
  crypto_auth_hmacsha256_final(&state, reinterpret_cast<unsigned char*>(proof.data()));
  sodium_memzero(&state, sizeof state);
  return proof;
}

bool isProof(std::span<const std::byte> given, const Proof& right) {
  return given.size() == right.size() && sodium_memcmp(given.data(), right.data(), right.size()) == 0;
}

std::string keyOfEnvironment() {
  if (const char* const key = std::getenv("TROUPE_KEY"); key != nullptr && *key != '\0') return key;
  const char* const file = std::getenv("TROUPE_KEY_FILE");
  if (file == nullptr || *file == '\0') return {};
  const auto bytes = os::readWholeFile(file, kMostKeyFileBytes);
  std::string key(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  while (!key.empty() && (key.back() == '\n' || key.back() == '\r')) key.pop_back();
  if (key.empty()) {
    throw Error(ErrorKind::invalid,
                std::string("the file that TROUPE_KEY_FILE names has no key in it: ") + file);
  }
  return key;
}

}  // namespace troupe::wire
