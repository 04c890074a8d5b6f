#include "sluice/http/field.h"

#include <algorithm>
#include <array>

#include "http/characters.h"
#include "http/known_names.h"
#include "sluice/base/text.h"

namespace sluice::http {

namespace {

[[nodiscard]] bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         base::equals_ignoring_case(text.substr(0, prefix.size()), prefix);
}

// Whole families: every member carries framing or content (content-), or is written by load
// balancers for targets that believe it (x-forwarded-, x-amzn-).
constexpr std::string_view protected_prefixes[] = {"content-", "x-forwarded-", "x-amzn-"};

// Protected names without a token of their own.
constexpr std::string_view protected_names[] = {"cache-control", "origin", "www-authenticate"};

[[nodiscard]] bool is_protected(FieldName name) {
  switch (name) {
    // routing and framing
    case FieldName::host:
    case FieldName::expect:
    case FieldName::transfer_encoding:
    case FieldName::trailer:
    // who the client is, and what it may do
    case FieldName::authorization:
    case FieldName::proxy_authorization:
    case FieldName::proxy_authenticate:
    case FieldName::cookie:
    case FieldName::set_cookie:
    case FieldName::forwarded:
    case FieldName::x_real_ip:
    // tracing, and loop detection
    case FieldName::x_request_id:
    case FieldName::traceparent:
    case FieldName::tracestate:
    case FieldName::via:
    // what caches and clients act on
    case FieldName::date:
    case FieldName::location: return true;
    default: return false;
  }
}

}  // namespace

FieldName field_name(std::string_view name) { return known_names::look_up(name); }

bool is_hop_by_hop(FieldName name) {
  switch (name) {
    case FieldName::connection:
    case FieldName::keep_alive:
    case FieldName::proxy_connection:
    case FieldName::te:
    case FieldName::transfer_encoding:
    case FieldName::upgrade: return true;
    default: return false;
  }
}

bool is_protected_from_nomination(std::string_view name) {
  if (is_protected(field_name(name))) return true;
  for (const std::string_view prefix : protected_prefixes) {
    if (starts_with_ignoring_case(name, prefix)) return true;
  }
  return std::ranges::any_of(protected_names, [name](std::string_view one) {
    return base::equals_ignoring_case(name, one);
  });
}

bool is_alias_of_protected(std::string_view name) {
  // No protected name is longer than this; the families are told by their prefix.
  std::array<char, 32> folded;
  const std::size_t size = std::min(name.size(), folded.size());
  bool changed = false;
  for (std::size_t i = 0; i < size; ++i) {
    const bool separates = !is_in(character_class::alphanumeric, name[i]);
    changed = changed || (separates && name[i] != '-');
    folded[i] = separates ? '-' : name[i];
  }
  if (!changed) return false;
  const std::string_view canonical{folded.data(), size};
  return is_protected_from_nomination(canonical) || is_hop_by_hop(field_name(canonical));
}

const Field* Fields::find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (base::equals_ignoring_case(field.name, name)) return &field;
  }
  return nullptr;
}

}  // namespace sluice::http
