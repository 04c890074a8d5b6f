// Cookies of ours that hold one name (of a target, of a group) and a time, sealed (net/seal.h).
//
// What is not ours, too old or forged counts as no session, never as an error. One thread per
// exchange.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/base/clock.h"
#include "sluice/config/model.h"
#include "sluice/http/cookie.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

enum class SessionKind : std::uint8_t {
  none,     // no session, or nothing that has any
  found,    // whose target, or group, may be gone
  expired,  // ours, and older than the duration
  invalid,  // not ours: forged, of another group or rule, or sealed with a secret we do not know
};

struct SessionCookie {
  SessionKind kind = SessionKind::none;
  std::string value;           // kind found; else empty
  base::WallTime issued_at{};  // kind found; whole milliseconds
};

// Of several cookies with the name, at most four are opened, and the first good one counts.
// `context`: what the seal is for; a cookie for one thing is none for another.
[[nodiscard]] SessionCookie open_session_cookie(const Exchange& exchange, std::string_view name,
                                                std::string_view context,
                                                config::Milliseconds duration);

// The cookie's new value; empty when there is no memory or randomness: the answer is worth more
// than the session. Not for values over 512 bytes.
[[nodiscard]] std::string seal_session_cookie(const Exchange& exchange, std::string_view value,
                                              std::string_view context);

// A tenth of the duration has passed: the cookie is written anew, where ALB writes it each time.
[[nodiscard]] bool is_renewal_due(const Exchange& exchange, base::WallTime issued_at,
                                  config::Milliseconds duration);

// As the settings say, for this client's connection. Views into the settings.
[[nodiscard]] http::CookieAttributes cookie_attributes(const Exchange& exchange,
                                                       const config::Stickiness& settings);

// One more Set-Cookie field with the answer; none when `set_cookie` is empty.
void add_cookie(Exchange& exchange, std::string_view set_cookie);

}  // namespace sluice::proxy
