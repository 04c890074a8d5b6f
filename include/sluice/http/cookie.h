// Cookies: finding values that a client sent, and writing one for it to keep (RFC 6265).
//
// Reading is lenient, as clients are: pairs are split at every ';', also inside quotes, for that is
// where browsers split; white space around names and values is dropped, and so is one pair of
// quotes around a value; a pair without '=' or without a name is none. Names are compared with
// case. Nothing is copied or decoded: values are views into the field. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/http/field.h"

namespace sluice::http {

struct Cookie {
  std::string_view name;   // never empty
  std::string_view value;  // without quotes
};

// Takes the next pair off the front of the text of a Cookie field; nothing when there is none left.
[[nodiscard]] std::optional<Cookie> take_cookie(std::string_view& text);

// Goes through the values of that name in all Cookie fields, in the order in which they came. A
// client sends a name twice when it keeps it for two paths or domains, the longer path first (RFC
// 6265 5.4). Both references must outlive the reader.
class CookieValues {
 public:
  CookieValues(const Fields& fields, std::string_view name)
      : next_field_(fields.begin()), end_(fields.end()), name_(name) {}

  [[nodiscard]] std::optional<std::string_view> next();

 private:
  std::vector<Field>::const_iterator next_field_;
  std::vector<Field>::const_iterator end_;
  std::string_view name_;
  std::string_view rest_;  // of the field being read
};

// Whether a Set-Cookie field with this value sets, or deletes, a cookie of that name.
[[nodiscard]] bool sets_cookie(std::string_view set_cookie, std::string_view name);

enum class CookieSite : std::uint8_t { unset, lax, strict, none };

struct CookieAttributes {
  std::optional<std::chrono::seconds> max_age{};  // absent: until the browser is closed
  std::string_view path{};                        // empty: none
  std::string_view domain{};                      // empty: none
  bool secure = false;
  bool http_only = false;
  CookieSite same_site = CookieSite::unset;
};

// The value of a Set-Cookie field. The caller answers for its parts: a name that is a token, and no
// ';', white space, comma, quote or control byte in value, path and domain.
[[nodiscard]] std::string set_cookie(std::string_view name, std::string_view value,
                                     const CookieAttributes& attributes);

}  // namespace sluice::http
