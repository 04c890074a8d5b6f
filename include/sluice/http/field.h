// Header fields as views into the bytes they arrived in, with tokens for the names we act on.
//
// Nothing is copied: a Fields is valid only while the buffer that holds its message stays where it
// is. Order and spelling are the sender's. Known names are compared once, when the field is added.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sluice/http/field_list.h"

namespace sluice::http {

enum class FieldName : std::uint8_t {
  other,
  accept_encoding,
  authorization,
  connection,
  content_encoding,
  content_length,
  content_type,
  cookie,
  date,
  expect,
  forwarded,
  host,
  keep_alive,
  location,
  proxy_authenticate,
  proxy_authorization,
  proxy_connection,
  referer,
  server,
  set_cookie,
  te,
  traceparent,
  tracestate,
  trailer,
  transfer_encoding,
  upgrade,
  user_agent,
  via,
  x_amzn_trace_id,
  x_forwarded_for,
  x_forwarded_host,
  x_forwarded_port,
  x_forwarded_proto,
  x_real_ip,
  x_request_id,
};

// Compared without case, bytes exactly otherwise; `other` when we have no token for it.
[[nodiscard]] FieldName field_name(std::string_view name);

// Hop-by-hop fields, which end at a proxy (RFC 9110 7.6.1): Connection, Keep-Alive,
// Proxy-Connection, TE, Transfer-Encoding, Upgrade. Proxy-Authenticate and Proxy-Authorization
// pass, as in nginx and HAProxy: they are for whoever asked for them, and a gateway that does not
// authenticate is not that party.
[[nodiscard]] bool is_hop_by_hop(FieldName name);

// Names that `Connection` may not nominate (T9): routing, framing, authentication and every field
// that we set or trust; Content-*, X-Forwarded-* and X-Amzn-* as families. A nomination of one of
// them is ignored: the field passes. What is hop-by-hop by itself is dropped whether nominated or
// not.
[[nodiscard]] bool is_protected_from_nomination(std::string_view name);

// True when `name` is not spelled as a field that we set or trust, but becomes one once every byte
// that is neither letter, digit nor '-' counts as '-', case folded (T10): `X_Forwarded_For`,
// `Content.Length`. CGI and its heirs turn all of them into one variable, so the proxy drops such a
// field; the parser lets it pass, for as a token it is well-formed. Never true for a Field with a
// token (`known` not `other`).
[[nodiscard]] bool is_alias_of_protected(std::string_view name);

struct Field {
  std::string_view name;   // as sent
  std::string_view value;  // as sent, outer white space removed
  FieldName known = FieldName::other;
};

class Fields {
 public:
  void clear() { fields_.clear(); }
  void add(std::string_view name, std::string_view value) {
    fields_.push_back({name, value, field_name(name)});
  }
  void add(const Field& field) { fields_.push_back(field); }
  [[nodiscard]] std::size_t size() const { return fields_.size(); }
  [[nodiscard]] auto begin() const { return fields_.begin(); }
  [[nodiscard]] auto end() const { return fields_.end(); }
  // The first of that name.
  [[nodiscard]] const Field* find(FieldName name) const {
    for (const Field& field : fields_) {
      if (field.known == name) return &field;
    }
    return nullptr;
  }
  [[nodiscard]] const Field* find(std::string_view name) const;  // any name, without case
  [[nodiscard]] std::string_view value(FieldName name) const {
    const Field* field = find(name);
    return field != nullptr ? field->value : std::string_view{};
  }

 private:
  std::vector<Field> fields_;  // keeps its capacity over `clear`: no allocation in the steady state
};

}  // namespace sluice::http
