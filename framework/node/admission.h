// Whether a client may ask anything: at once, where the app has no key; otherwise when it has proved that it has the same one.
//
// Until then the only answers are the challenge, and one refusal, the same for all, with which it is over. A refused client learns
// neither what the app is nor how wrong its key was.
//
// Errors:  bytes that are no request throw kj::Exception.
// Threads: the root's loop.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "wire/proof.h"

namespace troupe::node {

class Admission {
 public:
  // Empty: there is no key. It must stay as long as this.
  explicit Admission(const std::string& key) : key_(key), admitted_(key.empty()) {}

  bool admitted() const { return admitted_; }
  bool refused() const { return refused_; }
  // To a request of one that is not admitted.
  std::vector<std::byte> answer(std::span<const std::byte> request);

 private:
  struct Challenge {
    wire::Nonce ofClient;
    wire::Nonce ofApp;
  };

  const std::string& key_;
  std::optional<Challenge> challenge_;
  bool admitted_;
  bool refused_ = false;
};

}  // namespace troupe::node
