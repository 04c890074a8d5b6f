// Sets of public keys in JSON (JWKS, RFC 7517), from a file or from a server we do not control.
//
// A set is bounded in bytes, depth and number of keys, or refused whole. Of its keys those are
// taken that are for verifying signatures with an algorithm we know; the others (symmetric ones,
// RSA below 2048 bits, unknown curves, `use: enc`) are passed over, as RFC 7517 5 asks for. Private
// parts are never read. Immutable; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/net/verification_key.h"

namespace sluice::net {

inline constexpr std::size_t key_set_bytes_max = 256 * 1024;  // ALB: 150 KB
inline constexpr std::size_t key_set_keys_max = 64;           // ALB: 10
inline constexpr std::size_t key_set_depth_max = 8;

struct JsonWebKey {
  std::string id;  // `kid`; empty: none
  VerificationKey key;
  std::optional<SignatureAlgorithm> only;  // `alg`: for no other one

  [[nodiscard]] bool may_verify(SignatureAlgorithm algorithm) const {
    return key.suits(algorithm) && (!only || *only == algorithm);
  }
};

struct JsonWebKeySet {
  std::vector<JsonWebKey> keys;          // never empty
  std::vector<std::string> passed_over;  // printable: which key, and why
};

// Nothing, and why in `error` (printable), when the text is no set, or holds no key for us.
[[nodiscard]] std::optional<JsonWebKeySet> parse_json_web_keys(std::string_view text,
                                                               std::string& error);

// The bytes of a regular file of at most key_set_bytes_max. Nothing, and why in `error`, otherwise.
// Control thread.
[[nodiscard]] std::optional<std::string> read_key_set_file(const std::string& path,
                                                           std::string& error);

}  // namespace sluice::net
