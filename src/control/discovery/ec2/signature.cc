#include "control/discovery/ec2/signature.h"

#include <array>

#include "control/discovery/ec2/times.h"
#include "sluice/base/text.h"
#include "sluice/net/digest.h"

namespace sluice::control::discovery::ec2 {
namespace {

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view terminator = "aws4_request";

std::string hex(const net::Sha256& digest) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const unsigned char octet : digest) {
    text += digits[octet >> 4];
    text += digits[octet & 15];
  }
  return text;
}

std::string_view as_text(const net::Sha256& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// The signing key: an HMAC chain over the parts of the scope, wiped link by link.
std::optional<net::Secret> key_of(const Credentials& credentials,
                                  const std::array<std::string_view, 4>& scope) {
  std::string first;
  first.reserve(4 + credentials.secret_access_key.reveal().size());
  first.append("AWS4").append(credentials.secret_access_key.reveal());
  net::Secret key(first);
  net::wipe(first);
  for (const std::string_view part : scope) {
    net::Sha256 code{};
    if (!net::hmac_sha256(key.reveal(), part, code)) return std::nullopt;
    key = net::Secret(as_text(code));
    net::wipe(code);
  }
  return key;
}

}  // namespace

std::optional<Signature> sign(const ToSign& call, const Credentials& credentials) {
  Signature signature;
  signature.timestamp = compact_time(call.time);
  const std::string date = signature.timestamp.substr(0, 8);
  const std::string_view token = credentials.session_token.reveal();
  const std::string_view signed_fields = token.empty()
                                             ? "content-type;host;x-amz-date"
                                             : "content-type;host;x-amz-date;x-amz-security-token";
  net::Sha256 digest{};
  if (!net::sha256(call.content, digest)) return std::nullopt;
  std::string canonical;
  canonical.reserve(1024 + token.size());  // a string that grows leaves copies behind
  canonical.append("POST\n").append(call.path).append("\n\n");
  canonical.append("content-type:").append(form_content_type).append("\n");
  canonical.append("host:").append(call.authority).append("\n");
  canonical.append("x-amz-date:").append(signature.timestamp).append("\n");
  if (!token.empty()) canonical.append("x-amz-security-token:").append(token).append("\n");
  canonical.append("\n").append(signed_fields).append("\n").append(hex(digest));
  const bool is_digested = net::sha256(canonical, digest);
  net::wipe(canonical);
  if (!is_digested) return std::nullopt;

  std::string scope = date;
  scope.append("/").append(call.region).append("/").append(call.service);
  scope.append("/").append(terminator);
  std::string text(algorithm);
  text.append("\n").append(signature.timestamp).append("\n").append(scope);
  text.append("\n").append(hex(digest));
  const auto key = key_of(credentials, {date, call.region, call.service, terminator});
  net::Sha256 code{};
  if (!key || !net::hmac_sha256(key->reveal(), text, code)) return std::nullopt;
  signature.authorization.append(algorithm).append(" Credential=");
  signature.authorization.append(credentials.access_key_id.reveal()).append("/").append(scope);
  signature.authorization.append(", SignedHeaders=").append(signed_fields);
  signature.authorization.append(", Signature=").append(hex(code));
  return signature;
}

void append_form_encoded(std::string& out, std::string_view text) {
  for (const char c : text) {
    const bool is_unreserved = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                               (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
                               c == '~';
    if (is_unreserved) {
      out += c;
    } else {
      base::append_percent_encoded(out, c);
    }
  }
}

}  // namespace sluice::control::discovery::ec2
