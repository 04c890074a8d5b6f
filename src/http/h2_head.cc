// Pseudo-header fields first, then all others, then what both mean together: in the order in which
// the HTTP/1 parser judges, so that a request with several faults is refused for the same one.
#include "sluice/http/h2_head.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "http/byte_search.h"
#include "http/characters.h"
#include "http/head_facts.h"
#include "sluice/base/text.h"
#include "sluice/http/uri.h"

namespace sluice::http {

namespace {

using observe::Reason;

// RFC 9113 8.3.1 and 8.3.2, RFC 8441 4.
enum class Pseudo : std::uint8_t { method, scheme, authority, path, protocol, status };
constexpr std::array<std::string_view, 6> pseudo_names = {":method", ":scheme",   ":authority",
                                                          ":path",   ":protocol", ":status"};

[[nodiscard]] bool is_pseudo(const Field& field) {
  return !field.name.empty() && field.name.front() == ':';
}

class PseudoFields {
 public:
  [[nodiscard]] bool has(Pseudo name) const { return slot(name).has_value(); }
  [[nodiscard]] std::string_view value(Pseudo name) const {
    return slot(name).value_or(std::string_view{});
  }
  // False when it is unknown, repeated, or has a value that no field may have (RFC 9113 8.3).
  [[nodiscard]] bool take(const Field& field) {
    for (std::size_t i = 0; i < pseudo_names.size(); ++i) {
      if (field.name != pseudo_names[i]) continue;
      if (values_[i].has_value() || !is_field_text(field.value)) return false;
      values_[i] = field.value;
      return true;
    }
    return false;
  }

 private:
  [[nodiscard]] const std::optional<std::string_view>& slot(Pseudo name) const {
    return values_[static_cast<std::size_t>(name)];
  }
  std::array<std::optional<std::string_view>, pseudo_names.size()> values_;
};

// Takes those at the front and moves `fields` behind them. One that comes later is found there.
[[nodiscard]] Reason take_pseudo_fields(std::span<const Field>& fields, PseudoFields& pseudo) {
  Reason reason = Reason::none;
  while (!fields.empty() && is_pseudo(fields.front())) {
    if (!pseudo.take(fields.front())) reason = Reason::h2_malformed_head;
    fields = fields.subspan(1);
  }
  return reason;
}

// A token without upper case (RFC 9113 8.2.1): whatever else would become another line, or another
// name, in HTTP/1. Pseudo-header fields in the wrong place are no tokens either.
[[nodiscard]] bool is_lower_case_token(std::string_view name) {
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') return false;
  }
  return is_token(name);
}

[[nodiscard]] bool is_valid_value(std::string_view value) {
  return base::trim(value).size() == value.size() && is_field_text(value);
}

// RFC 9113 8.2.2: hop-by-hop fields are HTTP/1's. TE may say `trailers`.
[[nodiscard]] bool is_connection_specific(const Field& field) {
  if (field.known == FieldName::te) return !base::equals_ignoring_case(field.value, "trailers");
  return is_hop_by_hop(field.known);
}

[[nodiscard]] bool is_well_formed(const Field& field) {
  return is_lower_case_token(field.name) && is_valid_value(field.value) &&
         !is_connection_specific(field);
}

// Crumbs of Cookie become one field (RFC 9113 8.2.3), for targets that speak HTTP/1 expect a single
// one. A whole one is left where it is.
[[nodiscard]] std::string_view whole_cookie(std::span<const Field> fields, std::string& joined) {
  const Field* first = nullptr;
  for (const Field& field : fields) {
    if (field.known != FieldName::cookie) continue;
    if (first == nullptr) {
      first = &field;
      continue;
    }
    if (joined.empty()) joined = first->value;
    joined.append("; ").append(field.value);
  }
  return joined.empty() && first != nullptr ? first->value : std::string_view(joined);
}

[[nodiscard]] Reason read_request_fields(std::span<const Field> fields, std::string& joined_cookie,
                                         Fields& out, HeadFacts& facts) {
  bool cookie_stands = false;
  for (const Field& field : fields) {
    if (!is_well_formed(field)) return Reason::h2_malformed_head;
    facts.note(field);
    if (field.known != FieldName::cookie) {
      out.add(field);
    } else if (!cookie_stands) {
      cookie_stands = true;
      out.add({field.name, whole_cookie(fields, joined_cookie), field.known});
    }
  }
  return Reason::none;
}

// Which have to be there, and which may (RFC 9113 8.3.1 and 8.5, RFC 8441 4).
[[nodiscard]] Reason judge_presence(const PseudoFields& pseudo) {
  if (!pseudo.has(Pseudo::method) || pseudo.has(Pseudo::status)) return Reason::h2_malformed_head;
  const bool is_connect = method(pseudo.value(Pseudo::method)) == Method::connect;
  if (!is_connect && pseudo.has(Pseudo::protocol)) return Reason::h2_malformed_head;
  if (is_connect && !pseudo.has(Pseudo::protocol)) {
    const bool is_sound =
        pseudo.has(Pseudo::authority) && !pseudo.has(Pseudo::scheme) && !pseudo.has(Pseudo::path);
    return is_sound ? Reason::none : Reason::h2_malformed_head;
  }
  const bool is_sound = pseudo.has(Pseudo::scheme) && !pseudo.value(Pseudo::path).empty();
  return is_sound ? Reason::none : Reason::h2_malformed_head;
}

[[nodiscard]] bool is_http_scheme(std::string_view scheme) {
  return base::equals_ignoring_case(scheme, "http") || base::equals_ignoring_case(scheme, "https");
}

[[nodiscard]] Reason refuse_method(const PseudoFields& pseudo, const RequestHead& head) {
  if (!is_token(head.method_text)) return Reason::bad_method;
  if (head.method == Method::trace) return Reason::method_not_allowed;
  if (head.method != Method::connect) return Reason::none;
  if (!pseudo.has(Pseudo::protocol)) return Reason::connect_refused;
  // RFC 9220 3; which RFC 8441 left open. Names of protocols have no case (RFC 9110 7.8).
  return base::equals_ignoring_case(head.connect_protocol, "websocket")
             ? Reason::none
             : Reason::connect_protocol_unknown;
}

// A path or "*" and nothing else: an absolute target would bring an authority that the rules for
// `:authority` never saw (T5).
[[nodiscard]] Reason read_target(const PseudoFields& pseudo, RequestHead& head) {
  if (!is_http_scheme(pseudo.value(Pseudo::scheme))) return Reason::bad_request_target;
  if (head.target.front() != '/' && head.target != "*") return Reason::bad_request_target;
  Reason reason = Reason::none;
  return parse_target(head, reason) ? Reason::none : reason;
}

[[nodiscard]] std::uint64_t port_of(std::string_view authority, std::uint64_t default_port) {
  const std::size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.back() == ']') return default_port;
  return base::parse_decimal(authority.substr(colon + 1)).value_or(default_port);
}

// Two valid authorities that mean the same (RFC 9113 8.3.1, RFC 3986 6.2.3): by the rules that
// routing goes by, and with the scheme's port where none is named.
[[nodiscard]] bool is_same_authority(std::string_view a, std::string_view b,
                                     std::string_view scheme) {
  const std::uint64_t default_port = base::equals_ignoring_case(scheme, "https") ? 443 : 80;
  return base::equals_ignoring_case(host_without_port(a), host_without_port(b)) &&
         port_of(a, default_port) == port_of(b, default_port);
}

[[nodiscard]] Reason decide_host(const PseudoFields& pseudo, const HeadFacts& facts,
                                 RequestHead& head) {
  if (facts.hosts > 1) return Reason::host_duplicate;
  const bool has_authority = pseudo.has(Pseudo::authority);
  if (facts.hosts == 0 && !has_authority) return Reason::host_missing;
  const std::string_view host = has_authority ? pseudo.value(Pseudo::authority) : facts.host;
  if (!is_valid_authority(host)) return Reason::host_invalid;  // user information, too
  if (facts.hosts == 1 && has_authority &&
      (!is_valid_authority(facts.host) ||
       !is_same_authority(host, facts.host, pseudo.value(Pseudo::scheme)))) {
    return Reason::host_invalid;
  }
  head.host = host;
  return Reason::none;
}

// The end of the stream ends the content; Content-Length, if any, has to agree with it (RFC 9113
// 8.1.1). What DATA brings is counted by whoever reads it.
[[nodiscard]] Reason decide_request_framing(const HeadFacts& facts, bool ends, RequestHead& head) {
  const FramingDecision decision = decide_framing(facts, 1);
  if (decision.reason != Reason::none) return decision.reason;
  if (ends && decision.content_length != 0) return Reason::h2_malformed_head;
  head.framing = decision.framing;
  head.content_length = decision.content_length;
  if (head.method == Method::connect) {
    // What follows is the tunnel's (RFC 9113 8.5); the same refusal as beside Upgrade.
    if (decision.content_length != 0) return Reason::upgrade_body;
    head.framing = Framing::none;
  } else if (!ends && decision.framing == Framing::none) {
    head.framing = Framing::chunked;
  }
  return Reason::none;
}

[[nodiscard]] Reason decide_expectation(const HeadFacts& facts, RequestHead& head) {
  if (facts.expects_other) return Reason::expectation_failed;
  head.expects_continue =
      facts.expects_continue && (head.framing == Framing::chunked || head.content_length != 0);
  return Reason::none;
}

// RFC 9113 8.3.2: three digits; 101 has no meaning without Upgrade (8.6). 0: malformed.
[[nodiscard]] std::uint16_t read_status(const PseudoFields& pseudo) {
  const std::string_view text = pseudo.value(Pseudo::status);
  const auto status = base::parse_decimal(text);
  if (text.size() != 3 || !status || *status < 100 || *status > 599 || *status == 101) return 0;
  return static_cast<std::uint16_t>(*status);
}

// Fields that decide about a message before its content; in a trailer section they come too late,
// and whoever merges them into the head is deceived (RFC 9110 6.5.1, T4).
[[nodiscard]] bool belongs_into_head(FieldName name) {
  switch (name) {
    case FieldName::content_length:
    case FieldName::content_encoding:
    case FieldName::content_type:
    case FieldName::host:
    case FieldName::expect:
    case FieldName::te:
    case FieldName::trailer:
    case FieldName::authorization:
    case FieldName::proxy_authorization:
    case FieldName::proxy_authenticate:
    case FieldName::cookie:
    case FieldName::set_cookie:
    case FieldName::location: return true;
    default: return false;
  }
}

}  // namespace

// `:scheme` may differ from the connection: a balancer in front that ends TLS sends `https` over
// clear text, and so do common gRPC clients; Envoy, HAProxy and nghttpx let it pass. Nothing here
// believes it: rules and X-Forwarded-Proto go by the connection. So `is_tls` decides nothing.
Reason read_request_head(const H2Fields& fields, bool ends, bool /*is_tls*/, RequestHead& head,
                         std::string& joined_cookie) {
  head.clear();
  joined_cookie.clear();
  head.http2 = true;

  std::span<const Field> rest = fields.all();
  PseudoFields pseudo;
  Reason reason = take_pseudo_fields(rest, pseudo);
  // For the log they are there whatever is wrong.
  head.method_text = pseudo.value(Pseudo::method);
  head.method = method(head.method_text);
  head.target = pseudo.value(pseudo.has(Pseudo::path) ? Pseudo::path : Pseudo::authority);
  head.connect_protocol = pseudo.value(Pseudo::protocol);
  if (reason != Reason::none) return reason;
  reason = judge_presence(pseudo);
  if (reason != Reason::none) return reason;

  HeadFacts facts;
  if (pseudo.has(Pseudo::authority)) {
    const bool sent_host = std::ranges::any_of(
        rest, [](const Field& field) { return field.known == FieldName::host; });
    if (!sent_host) head.fields.add({"host", pseudo.value(Pseudo::authority), FieldName::host});
  }
  reason = read_request_fields(rest, joined_cookie, head.fields, facts);
  if (reason != Reason::none) return reason;
  reason = refuse_method(pseudo, head);
  if (reason != Reason::none) return reason;
  reason = read_target(pseudo, head);
  if (reason != Reason::none) return reason;
  reason = decide_request_framing(facts, ends, head);
  if (reason != Reason::none) return reason;
  reason = decide_host(pseudo, facts, head);
  if (reason != Reason::none) return reason;
  return decide_expectation(facts, head);
}

Reason read_response_head(const H2Fields& fields, bool ends, Method method, ResponseHead& head) {
  head.clear();
  head.http2 = true;

  std::span<const Field> rest = fields.all();
  PseudoFields pseudo;
  const Reason reason = take_pseudo_fields(rest, pseudo);
  if (reason != Reason::none) return reason;
  for (const Pseudo name :
       {Pseudo::method, Pseudo::scheme, Pseudo::authority, Pseudo::path, Pseudo::protocol}) {
    if (pseudo.has(name)) return Reason::h2_malformed_head;
  }
  head.status = read_status(pseudo);
  if (head.status == 0) return Reason::h2_malformed_head;
  // An interim answer cannot be the last (RFC 9113 8.1).
  if (head.status < 200 && ends) return Reason::h2_malformed_head;

  HeadFacts facts;
  for (const Field& field : rest) {
    if (!is_well_formed(field)) return Reason::h2_malformed_head;
    head.fields.add(field);
    facts.note(field);
  }
  const FramingDecision decision = decide_framing(facts, 1);
  if (decision.reason != Reason::none) return decision.reason;
  head.has_content_length = facts.content_lengths != 0;
  head.content_length = decision.content_length;
  const bool ends_with_head =
      method == Method::head || head.status < 200 || head.status == 204 || head.status == 304;
  if (ends_with_head) return Reason::none;
  if (ends && decision.content_length != 0) return Reason::h2_malformed_head;  // RFC 9113 8.1.1
  head.framing = decision.framing;
  if (!ends && decision.framing == Framing::none) head.framing = Framing::chunked;
  return Reason::none;
}

Reason read_trailers(const H2Fields& fields, Fields& trailers) {
  trailers.clear();
  for (const Field& field : fields.all()) {
    if (!is_well_formed(field)) {
      trailers.clear();
      return Reason::h2_malformed_head;  // pseudo-header fields, too (RFC 9113 8.1)
    }
    if (!belongs_into_head(field.known)) trailers.add(field);
  }
  return Reason::none;
}

}  // namespace sluice::http
