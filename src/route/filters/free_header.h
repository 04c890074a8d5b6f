// Headers that filters may be told to write what they found out into, or to read it from.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "sluice/base/text.h"
#include "sluice/http/field.h"

namespace sluice::route {

// Letters, digits and `besides`.
inline bool is_name(std::string_view text, std::string_view besides) {
  const auto is_good = [&](char c) {
    return (c >= '0' && c <= '9') || (base::lower(c) >= 'a' && base::lower(c) <= 'z') ||
           besides.find(c) != std::string_view::npos;
  };
  return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, is_good);
}

// Without '_' and its like, which some targets take for '-'; and no field that frames, routes,
// authenticates or belongs to the connection.
inline bool is_free_header(std::string_view name) {
  if (!is_name(name, "-") || http::field_name(name) != http::FieldName::other) return false;
  const std::string lower = base::to_lower(name);
  return !lower.starts_with("content-") && !lower.starts_with("x-amzn-") &&
         !lower.starts_with("sec-websocket-") && lower != "http2-settings";
}

constexpr const char* header_wanted =
    "must be a header of letters, digits and '-' that Sluice does not use itself, not ";

}  // namespace sluice::route
