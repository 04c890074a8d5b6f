// What of a request a condition looks at, and the values that the request has for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "route/glob.h"
#include "sluice/http/cookie.h"
#include "sluice/http/uri.h"
#include "sluice/net/client_certificate.h"
#include "sluice/route/match_input.h"

namespace sluice::route {

enum class SubjectKind : std::uint8_t {
  host,                 // without port
  path,                 // normal form
  method,               //
  sni,                  //
  client,               // the address; its values are not texts
  certificate_subject,  // these: of a verified certificate only
  certificate_issuer,
  certificate_serial,
  certificate_dns,
  query_value,  // of any parameter
  header,       // the following have a name
  query,
  cookie,
};
inline constexpr std::size_t nameless_subjects = 10;

struct Subject {
  SubjectKind kind = SubjectKind::host;
  std::string name;  // of headers and parameters in lower case
  friend bool operator==(const Subject&, const Subject&) = default;
};

// How values of a kind are compared, but for regular expressions.
[[nodiscard]] constexpr Case case_of(SubjectKind kind) {
  using enum SubjectKind;
  const bool counts = kind == path || kind == method || kind == client ||
                      kind == certificate_subject || kind == certificate_issuer || kind == cookie;
  return counts ? Case::counts : Case::ignored;
}

// A request has at most one value.
[[nodiscard]] constexpr bool is_single(SubjectKind kind) {
  using enum SubjectKind;
  return kind != certificate_dns && kind != query_value && kind != header && kind != query &&
         kind != cookie;
}

// One parameter of a query, percent-decoded once; `+` stays as it is. Valid until the next one.
struct Parameter {
  std::string_view key;
  std::string_view value;   // empty when there was no '='
  bool has_equals = false;  // without, it is a key, and a value without key
};

// Goes through a query. Allocates only for long parameters with escapes.
class Parameters {
 public:
  explicit Parameters(std::string_view query) : rest_(query), has_more_(!query.empty()) {}
  [[nodiscard]] std::optional<Parameter> next();

 private:
  std::string_view rest_;
  bool has_more_;
  std::string key_storage_;
  std::string value_storage_;
};

// The verified certificate of the client, or null: what nobody vouches for matches nothing.
[[nodiscard]] inline const net::ClientCertificate* verified(const MatchInput& input) {
  const net::ClientCertificate* certificate = input.client_certificate;
  return certificate != nullptr && certificate->is_verified ? certificate : nullptr;
}

// Calls `visit(value)` for each value until it returns true; returns whether it did. Not for
// SubjectKind::client.
template <typename Visit>
[[nodiscard]] bool any_value(SubjectKind kind, std::string_view name, const MatchInput& input,
                             Visit visit) {
  const http::RequestHead& head = input.head;
  const net::ClientCertificate* const certificate = verified(input);
  switch (kind) {
    case SubjectKind::host: return !head.host.empty() && visit(http::host_without_port(head.host));
    case SubjectKind::path: return visit(head.path);
    case SubjectKind::method: return visit(head.method_text);
    case SubjectKind::sni: return !input.sni.empty() && visit(input.sni);
    case SubjectKind::client: return false;
    case SubjectKind::certificate_subject:
      return certificate != nullptr && visit(std::string_view(certificate->subject));
    case SubjectKind::certificate_issuer:
      return certificate != nullptr && visit(std::string_view(certificate->issuer));
    case SubjectKind::certificate_serial:
      return certificate != nullptr && visit(std::string_view(certificate->serial));
    case SubjectKind::certificate_dns:
      if (certificate == nullptr) return false;
      for (const std::string& dns_name : certificate->dns_names) {
        if (visit(std::string_view(dns_name))) return true;
      }
      return false;
    case SubjectKind::header:
      for (const http::Field& field : head.fields) {
        if (base::equals_ignoring_case(field.name, name) && visit(field.value)) return true;
      }
      return false;
    case SubjectKind::cookie: {
      http::CookieValues values(head.fields, name);
      while (const auto value = values.next()) {
        if (visit(*value)) return true;
      }
      return false;
    }
    case SubjectKind::query:
    case SubjectKind::query_value: {
      Parameters parameters(head.query);
      while (const auto parameter = parameters.next()) {
        if (kind == SubjectKind::query && !base::equals_ignoring_case(parameter->key, name)) {
          continue;
        }
        const bool is_key = kind == SubjectKind::query || parameter->has_equals;
        if (visit(is_key ? parameter->value : parameter->key)) return true;
      }
      return false;
    }
  }
  return false;
}

}  // namespace sluice::route
