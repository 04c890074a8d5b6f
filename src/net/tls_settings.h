// The settings that all our TLS contexts share, and the lists an operator may write, checked.
#pragma once

#include <string>

#include "net/tls_openssl.h"
#include "sluice/config/model.h"

namespace sluice::net {

// Of the key at fault; of its section where a configuration was not read from a file.
[[nodiscard]] inline const config::Position& position_or(const config::Position& key,
                                                         const config::Position& section) {
  return key.line != 0 ? key : section;
}

// Modes and options both sides want. False when OpenSSL refuses one.
[[nodiscard]] bool use_common_settings(SSL_CTX& context, config::TlsVersion min_version,
                                       config::TlsVersion max_version);

// Reports unknown words of a list each by its name; OpenSSL alone would pass over them in silence
// as long as one word is known, and the operator would believe in a cipher that is not there. An
// empty list means: ECDHE with an AEAD for TLS 1.2, OpenSSL's suites for TLS 1.3, X25519, P-256 and
// P-384.
[[nodiscard]] bool use_ciphers(SSL_CTX& context, const config::ServerTls& settings,
                               config::Problems& problems);

// TLS 1.2 towards targets; an empty list leaves OpenSSL's default. Reports unknown words likewise.
[[nodiscard]] bool use_cipher_list(SSL_CTX& context, const std::string& list,
                                   const config::Position& position, config::Problems& problems);

}  // namespace sluice::net
