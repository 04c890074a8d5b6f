// Passwords that were verified a short while ago, for a verification costs up to a second: the live
// state of one `basic_auth`.
//
// One per process and filter, shared by all workers: the connections of one browser are spread over
// them, and each would have to verify the same password for itself. A look-up holds one of up to 16
// mutexes for one search in a hash table. Kept over reloads with equal settings: what is found by
// has the stored hash in it, so that another hash, or none, for a user finds nothing.
//
// No password is kept, and nothing that one could be guessed from: entries are found by an
// HMAC-SHA-256 whose key is random and of this object alone. What failed is kept too, by itself so
// that it takes no room from what matched, and for a shorter time: a client that repeats a wrong
// password costs one verification per `failure_ttl`.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "sluice/base/clock.h"
#include "sluice/net/keyed_digest.h"

namespace sluice::route {

class CredentialCache {
 public:
  struct Settings {
    std::uint32_t entries = 10'000;  // that matched, and as many that did not; 0: none is kept
    std::chrono::milliseconds ttl{300'000};
    std::chrono::milliseconds failure_ttl{10'000};

    bool operator==(const Settings&) const = default;
  };

  explicit CredentialCache(const Settings& settings);
  ~CredentialCache();
  CredentialCache(const CredentialCache&) = delete;
  CredentialCache& operator=(const CredentialCache&) = delete;

  [[nodiscard]] const Settings& settings() const { return settings_; }

  // --- any thread
  // By what these credentials are found. False when memory is short.
  [[nodiscard]] bool key(std::string_view user, std::string_view password,
                         std::string_view stored_hash, bool is_known, net::Sha256& key) const;
  // The same number for the same user, which nobody outside can foretell.
  [[nodiscard]] std::uint64_t number_of(std::string_view user) const;

  // Whether they matched; nothing when they are not here, or no longer.
  [[nodiscard]] std::optional<bool> find(const net::Sha256& key, base::SteadyTime now);
  // The least recently used one goes when there is no room.
  void add(const net::Sha256& key, bool matches, base::SteadyTime now);
  [[nodiscard]] std::size_t size() const;  // of both kinds

 private:
  class Part;

  [[nodiscard]] Part& part_of(const net::Sha256& key) const;

  const Settings settings_;
  const net::KeyedDigest keyed_;
  std::vector<std::unique_ptr<Part>> parts_;  // none: nothing is kept
};

}  // namespace sluice::route
