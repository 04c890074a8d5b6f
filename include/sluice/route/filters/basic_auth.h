// basic_auth: requests pass with the name and password of a user (HTTP Basic authentication,
// RFC 7617).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/net/password_hash.h"
#include "sluice/route/filters/credential_cache.h"

namespace sluice::route {

struct BasicAuthUser {
  std::string name;  // without control bytes and ':', and without spaces at its ends
  std::shared_ptr<const net::PasswordHash> hash;  // never null

  bool operator==(const BasicAuthUser&) const = default;
};

struct BasicAuth {
  static constexpr std::size_t name_bytes_max = 256;

  std::string challenge;             // value of WWW-Authenticate
  std::vector<BasicAuthUser> users;  // by name, each once; never empty
  std::string user_header;           // tells the target who it is; empty: nobody tells it
  bool forward_authorization = false;
  std::uint32_t queue = 64;                // verifications under way, of all workers
  std::uint32_t waiting = 1000;            // requests that wait for them, of all workers
  std::shared_ptr<CredentialCache> cache;  // never null

  bool operator==(const BasicAuth&) const = default;

  // What a password is verified with. For an unknown name it is the hash of some user, always the
  // same for that name, so that its verification costs what those of known names cost.
  struct Account {
    std::shared_ptr<const net::PasswordHash> hash;  // never null
    bool is_known = false;                          // false: whatever matches, it is refused
  };
  [[nodiscard]] Account account_of(std::string_view name) const;
};

}  // namespace sluice::route
