#include "sluice/net/password_hash.h"

#include <argon2.h>
#include <crypt.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "sluice/base/base64url.h"
#include "sluice/base/text.h"

namespace sluice::net {
namespace {

constexpr std::string_view wanted =
    "must be a hash by bcrypt ($2b$, $2y$, $2a$), yescrypt ($y$) or argon2id ($argon2id$), such as "
    "`htpasswd -B` and `mkpasswd -m yescrypt` make";

constexpr std::size_t hash_bytes_max = 512;

// --- the alphabet of crypt(5) -------------------------------------------------------------------

constexpr std::string_view crypt_alphabet =
    "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

bool is_of_crypt_alphabet(std::string_view text) {
  return text.find_first_not_of(crypt_alphabet) == std::string_view::npos;
}

// --- bcrypt: $2y$10$ and 22 characters of salt, 31 of digest ------------------------------------

constexpr std::size_t bcrypt_settings_bytes = 7;
constexpr std::size_t bcrypt_digest_at = bcrypt_settings_bytes + 22;
constexpr std::size_t bcrypt_bytes = bcrypt_digest_at + 31;
constexpr std::uint64_t bcrypt_cost_min = 4;
constexpr std::uint64_t bcrypt_cost_max = 14;

bool is_bcrypt(std::string_view text) {
  return text.starts_with("$2b$") || text.starts_with("$2y$") || text.starts_with("$2a$");
}

std::string fault_of_bcrypt(std::string_view text) {
  if (text.size() != bcrypt_bytes || text[bcrypt_settings_bytes - 1] != '$' ||
      !is_of_crypt_alphabet(text.substr(bcrypt_settings_bytes))) {
    return "is no whole bcrypt hash, which has 60 characters";
  }
  const auto cost = base::parse_decimal(text.substr(4, 2));
  if (!cost || *cost < bcrypt_cost_min || *cost > bcrypt_cost_max) {
    return "has a bcrypt cost beyond 4 to 14: each further one doubles the time, and 14 takes "
           "about a second";
  }
  return {};
}

// --- yescrypt: $y$j9T$SALT$HASH -----------------------------------------------------------------

constexpr std::string_view yescrypt_prefix = "$y$";
constexpr std::size_t yescrypt_digest_bytes = 43;
constexpr std::size_t yescrypt_salt_bytes_max = 86;
constexpr std::uint64_t yescrypt_memory_max = std::uint64_t{256} << 20;

// A number from 1 to 48, which is one character; larger ones take more, and too long to compute.
std::uint64_t small_number(char c) {
  const std::size_t value = crypt_alphabet.find(c);
  return value < 48 ? value + 1 : 0;
}

// Whole octets, and nothing in the bits that belong to none (the last ones of the last character):
// libxcrypt would refuse the salt, at each login.
bool is_yescrypt_salt(std::string_view salt) {
  if (salt.empty() || salt.size() > yescrypt_salt_bytes_max || !is_of_crypt_alphabet(salt)) {
    return false;
  }
  const std::size_t last = crypt_alphabet.find(salt.back());
  switch (salt.size() % 4) {
    case 1: return false;
    case 2: return last < 4;
    case 3: return last < 16;
    default: return true;
  }
}

// Where its digest begins; 0 and why when it is refused.
std::size_t digest_of_yescrypt(std::string_view text, std::string& error) {
  const std::size_t salt = text.find('$', yescrypt_prefix.size());
  const std::size_t digest = salt == std::string_view::npos ? salt : text.find('$', salt + 1);
  if (digest == std::string_view::npos || text.size() - digest - 1 != yescrypt_digest_bytes ||
      !is_yescrypt_salt(text.substr(salt + 1, digest - salt - 1)) ||
      !is_of_crypt_alphabet(text.substr(digest + 1))) {
    error = "is no whole yescrypt hash, which is $y$PARAMETERS$SALT$ and 43 characters";
    return 0;
  }
  const std::string_view parameters =
      text.substr(yescrypt_prefix.size(), salt - yescrypt_prefix.size());
  constexpr std::string_view most =
      "has yescrypt parameters that are not allowed: those of `mkpasswd -m yescrypt -R 1` to 9 "
      "are, at most 256 MiB";
  const bool is_usual = parameters.size() == 3 && parameters.front() == 'j';
  const std::uint64_t log2_n = is_usual ? small_number(parameters[1]) : 0;
  const std::uint64_t r = is_usual ? small_number(parameters[2]) : 0;
  if (log2_n == 0 || log2_n > 21 || r == 0 || (r << log2_n) * 128 > yescrypt_memory_max) {
    error = most;
    return 0;
  }
  return digest + 1;
}

// --- argon2id -----------------------------------------------------------------------------------

constexpr std::string_view argon2_prefix = "$argon2id$";
constexpr std::uint64_t argon2_memory_kib_max = 256 * 1024;
constexpr std::uint64_t argon2_work_kib_max = 1024 * 1024;  // memory times passes
constexpr std::uint64_t argon2_lanes_max = 16;

// `m=65536,` off the front; nothing when it is not there.
std::optional<std::uint64_t> take_number(std::string_view& text, std::string_view name, char end) {
  if (!text.starts_with(name)) return std::nullopt;
  const std::size_t at = text.find(end);
  if (at == std::string_view::npos || at > name.size() + 10) return std::nullopt;
  const auto number = base::parse_decimal(text.substr(name.size(), at - name.size()));
  text.remove_prefix(at + 1);
  return number;
}

// Base64 as argon2 writes it: the usual alphabet without padding.
std::optional<std::string> octets_of(std::string_view text, std::size_t least, std::size_t most) {
  if (text.find_first_of("-_") != std::string_view::npos) return std::nullopt;
  std::string spelled(text);
  std::ranges::replace(spelled, '+', '-');
  std::ranges::replace(spelled, '/', '_');
  auto octets = base::decode_base64url(spelled);
  if (octets && (octets->size() < least || octets->size() > most)) octets.reset();
  return octets;
}

// --- what the libraries are given ---------------------------------------------------------------

struct WipedCryptData {
  crypt_data data;
  WipedCryptData() { std::memset(&data, 0, sizeof data); }
  ~WipedCryptData() { OPENSSL_cleanse(&data, sizeof data); }
  WipedCryptData(const WipedCryptData&) = delete;
  WipedCryptData& operator=(const WipedCryptData&) = delete;
};

PasswordHash::Verdict verdict_of(bool matches) {
  return matches ? PasswordHash::Verdict::matches : PasswordHash::Verdict::differs;
}

std::uint8_t* octets_in(std::string& text) { return reinterpret_cast<std::uint8_t*>(text.data()); }

}  // namespace

std::optional<PasswordHash> PasswordHash::parse(std::string_view text, std::string& error) {
  error.clear();
  PasswordHash hash{std::string(text)};
  if (text.size() > hash_bytes_max) {
    error = wanted;
  } else if (is_bcrypt(text)) {
    error = fault_of_bcrypt(text);
    hash.digest_at_ = bcrypt_digest_at;
  } else if (text.starts_with(yescrypt_prefix)) {
    hash.digest_at_ = digest_of_yescrypt(text, error);
  } else if (text.starts_with(argon2_prefix)) {
    hash.argon2_ = parse_argon2(text.substr(argon2_prefix.size()), error);
  } else {
    const bool is_other = text.starts_with('$') || text.starts_with('{');
    error = std::string(wanted);
    error += is_other ? "; MD5 ($apr1$, $1$), {SHA}, SHA-crypt ($5$, $6$) and others are refused"
                      : "; plain text and crypt's old DES are refused";
  }
  if (!error.empty()) return std::nullopt;
  return hash;
}

std::optional<PasswordHash::Argon2> PasswordHash::parse_argon2(std::string_view rest,
                                                               std::string& error) {
  Argon2 parsed;
  const auto version = take_number(rest, "v=", '$');
  const auto memory = take_number(rest, "m=", ',');
  const auto passes = take_number(rest, "t=", ',');
  const auto lanes = take_number(rest, "p=", '$');
  const std::size_t dollar = rest.find('$');
  if (version != ARGON2_VERSION_13 || !memory || !passes || !lanes ||
      dollar == std::string_view::npos) {
    error = "is no whole argon2id hash: $argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$HASH";
    return std::nullopt;
  }
  if (*lanes < 1 || *lanes > argon2_lanes_max || *passes < 1 || *memory < 8 * *lanes ||
      *memory > argon2_memory_kib_max || *passes > argon2_work_kib_max / *memory) {
    error =
        "has argon2id parameters that are not allowed: m at least 8 per lane and at most 262144 "
        "(256 MiB), m * t at most 1048576, p 1 to 16";
    return std::nullopt;
  }
  auto salt = octets_of(rest.substr(0, dollar), 8, 64);
  auto digest = octets_of(rest.substr(dollar + 1), 16, 64);
  if (!salt || !digest) {
    error =
        "is no whole argon2id hash: a salt of 8 to 64 and a hash of 16 to 64 octets are "
        "needed, in base64 without padding";
    return std::nullopt;
  }
  parsed.memory_kib = static_cast<std::uint32_t>(*memory);
  parsed.passes = static_cast<std::uint32_t>(*passes);
  parsed.lanes = static_cast<std::uint32_t>(*lanes);
  parsed.salt = std::move(*salt);
  parsed.digest = std::move(*digest);
  return parsed;
}

PasswordHash::Verdict PasswordHash::check(const std::string& password) const {
  // libxcrypt ends a password at a NUL: one with more behind it would be taken for another.
  if (password.size() > password_bytes_max || password.find('\0') != std::string::npos) {
    return Verdict::differs;
  }
  return argon2_ ? check_by_argon2(password) : check_by_crypt(password);
}

// The digests alone are compared: libxcrypt corrects bits of a salt that no octet uses, which some
// tools set.
PasswordHash::Verdict PasswordHash::check_by_crypt(const std::string& password) const {
  const std::unique_ptr<WipedCryptData> room(new (std::nothrow) WipedCryptData);
  if (room == nullptr) return Verdict::failed;
  const char* made = ::crypt_r(password.c_str(), text_.c_str(), &room->data);
  if (made == nullptr || std::strlen(made) != text_.size()) return Verdict::failed;
  const std::size_t size = text_.size() - digest_at_;
  return verdict_of(CRYPTO_memcmp(made + digest_at_, text_.data() + digest_at_, size) == 0);
}

// By the calling thread alone, whatever the number of lanes. Salt and password are copied for the
// library wants them not const, though it changes them only when asked to wipe them.
PasswordHash::Verdict PasswordHash::check_by_argon2(const std::string& password) const {
  std::string made(argon2_->digest.size(), '\0');
  std::string salt = argon2_->salt;
  std::string secret = password;
  argon2_context context{};
  context.out = octets_in(made);
  context.outlen = static_cast<std::uint32_t>(made.size());
  context.pwd = octets_in(secret);
  context.pwdlen = static_cast<std::uint32_t>(secret.size());
  context.salt = octets_in(salt);
  context.saltlen = static_cast<std::uint32_t>(salt.size());
  context.m_cost = argon2_->memory_kib;
  context.t_cost = argon2_->passes;
  context.lanes = argon2_->lanes;
  context.threads = 1;
  context.version = ARGON2_VERSION_13;
  context.flags = ARGON2_DEFAULT_FLAGS;
  const int result = ::argon2_ctx(&context, Argon2_id);
  OPENSSL_cleanse(secret.data(), secret.size());
  if (result != ARGON2_OK) return Verdict::failed;
  return verdict_of(CRYPTO_memcmp(made.data(), argon2_->digest.data(), made.size()) == 0);
}

}  // namespace sluice::net
