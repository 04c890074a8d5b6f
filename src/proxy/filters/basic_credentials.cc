#include "proxy/filters/basic_credentials.h"

#include <algorithm>

#include "sluice/base/base64url.h"
#include "sluice/base/text.h"
#include "sluice/net/keyed_digest.h"
#include "sluice/route/filters/basic_auth.h"

namespace sluice::proxy {
namespace {

constexpr std::size_t plain_bytes_max =
    route::BasicAuth::name_bytes_max + 1 + net::PasswordHash::password_bytes_max;
constexpr std::size_t encoded_bytes_max = (plain_bytes_max + 2) / 3 * 4;

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

// `Basic YTpi`: what stands behind the scheme; nothing when it is another one.
std::optional<std::string_view> encoded_in(std::string_view value) {
  constexpr std::string_view scheme = "basic";
  const std::size_t end = std::min(value.find_first_of(" \t"), value.size());
  if (!base::equals_ignoring_case(value.substr(0, end), scheme)) return std::nullopt;
  return base::trim(value.substr(end));
}

}  // namespace

BasicCredentials::~BasicCredentials() {
  net::wipe(user);
  net::wipe(password);
}

CredentialsFault find_credentials(const http::Fields& fields, BasicCredentials& credentials) {
  std::size_t seen = 0;
  std::optional<std::string_view> encoded;
  for (const http::Field& field : fields) {
    if (field.known != http::FieldName::authorization) continue;
    ++seen;
    if (const auto found = encoded_in(field.value)) encoded = found;
  }
  if (!encoded) return CredentialsFault::missing;
  // Which of two fields a target reads, nobody knows.
  if (seen > 1 || encoded->size() > encoded_bytes_max) return CredentialsFault::malformed;
  auto plain = decode_base64(*encoded);
  if (!plain) return CredentialsFault::malformed;
  const std::size_t colon = plain->find(':');
  const bool is_good = colon != std::string::npos && colon <= route::BasicAuth::name_bytes_max &&
                       plain->size() - colon - 1 <= net::PasswordHash::password_bytes_max &&
                       std::ranges::none_of(*plain, is_control);  // RFC 7617 2
  if (is_good) {
    credentials.user.assign(*plain, 0, colon);
    credentials.password.assign(*plain, colon + 1);
  }
  net::wipe(*plain);
  return is_good ? CredentialsFault::none : CredentialsFault::malformed;
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0 || text.find_first_of("-_") != std::string_view::npos) {
    return std::nullopt;
  }
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  std::string spelled(text);
  std::ranges::replace(spelled, '+', '-');
  std::ranges::replace(spelled, '/', '_');
  auto octets = base::decode_base64url(spelled);
  net::wipe(spelled);
  return octets;
}

}  // namespace sluice::proxy
