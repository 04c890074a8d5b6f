// Hashes that passwords are stored as: what is understood, and whether a password is the one.
//
//   bcrypt     $2b$COST$..., $2y$, $2a$      cost 4 to 14
//   yescrypt   $y$PARAMETERS$SALT$HASH       at most 256 MiB; flavour j (mkpasswd's), p = 1, t = 0
//   argon2id   $argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$HASH
//                                            m at most 256 MiB, m * t at most 1 GiB, p at most 16
//
// The bounds keep one check near a second: whoever writes the hash chooses what each login costs.
// The libraries that compute them, libxcrypt and libargon2, enter the program here alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::net {

class PasswordHash {
 public:
  // Of a password; libxcrypt takes no longer ones.
  static constexpr std::size_t password_bytes_max = 511;

  enum class Verdict : std::uint8_t {
    matches,
    differs,
    failed,  // it could not be found out: memory was short
  };

  // Nothing, and in `error` what is wrong and what is allowed. The text is never in `error`: it may
  // be a password. Cheap: computes no hash.
  [[nodiscard]] static std::optional<PasswordHash> parse(std::string_view text, std::string& error);

  // Compared in constant time. Takes milliseconds to a second and up to 256 MiB: never on a
  // worker's thread. Any thread, also several at once; starts none.
  [[nodiscard]] Verdict check(const std::string& password) const;

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  struct Argon2 {
    std::uint32_t memory_kib = 0;
    std::uint32_t passes = 0;
    std::uint32_t lanes = 0;
    std::string salt;
    std::string digest;
  };

  explicit PasswordHash(std::string text) : text_(std::move(text)) {}
  [[nodiscard]] static std::optional<Argon2> parse_argon2(std::string_view rest,
                                                          std::string& error);
  [[nodiscard]] Verdict check_by_crypt(const std::string& password) const;
  [[nodiscard]] Verdict check_by_argon2(const std::string& password) const;

  std::string text_;
  std::size_t digest_at_ = 0;  // of bcrypt and yescrypt: where the digest begins in `text_`
  std::optional<Argon2> argon2_;
};

}  // namespace sluice::net
