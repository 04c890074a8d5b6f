#include "proxy/session_cookie.h"

#include <chrono>
#include <optional>

#include "sluice/base/text.h"
#include "sluice/net/seal.h"

namespace sluice::proxy {

namespace {

using std::chrono::milliseconds;

constexpr int cookies_opened_max = 4;

base::WallTime now(const Exchange& exchange) { return exchange.worker().loop().clock.wall(); }

// ---------------------------------------------------------------- what is sealed

// Version, milliseconds since 1970 in eight bytes, the name, and zeros up to a whole number of
// blocks: the length of the cookie shall not tell addresses apart.
constexpr char payload_version = 1;
constexpr std::size_t name_at = 1 + 8;
constexpr std::size_t block = 32;

std::string payload_of(std::string_view name, base::WallTime issued_at) {
  const auto time = static_cast<std::uint64_t>(
      std::chrono::duration_cast<milliseconds>(issued_at.time_since_epoch()).count());
  std::string payload(1, payload_version);
  for (int shift = 56; shift >= 0; shift -= 8) {
    payload.push_back(static_cast<char>((time >> shift) & 0xff));
  }
  payload += name;
  payload.resize((payload.size() + block - 1) / block * block, '\0');
  return payload;
}

struct Pinned {
  std::string_view name;  // in the payload
  base::WallTime issued_at;
};

std::optional<Pinned> read_payload(std::string_view payload) {
  if (payload.size() <= name_at || payload.front() != payload_version) return std::nullopt;
  std::uint64_t time = 0;
  for (const char c : payload.substr(1, 8)) time = (time << 8) | static_cast<unsigned char>(c);
  const std::string_view name = payload.substr(name_at);
  return Pinned{name.substr(0, name.find('\0')),
                base::WallTime(milliseconds(static_cast<std::int64_t>(time)))};
}

// Either way: a cookie from far in the future, made while a clock was wrong, must not hold for
// ever.
bool is_expired(const Exchange& exchange, base::WallTime issued_at, config::Milliseconds duration) {
  const auto age = now(exchange) - issued_at;
  return age >= duration || age <= -duration;
}

// ---------------------------------------------------------------- what is written

// What a trusted proxy says of the client's own connection: the first of a list.
bool is_secure_connection(const Exchange& exchange) {
  if (exchange.connection->is_tls()) return true;
  if (!exchange.peer_is_trusted) return false;
  const std::string_view list = exchange.request.fields.value(http::FieldName::x_forwarded_proto);
  return base::equals_ignoring_case(base::trim(list.substr(0, list.find(','))), "https");
}

bool is_secure(const Exchange& exchange, config::CookieSecure secure) {
  switch (secure) {
    case config::CookieSecure::always: return true;
    case config::CookieSecure::never: return false;
    case config::CookieSecure::automatic: break;
  }
  return is_secure_connection(exchange);
}

http::CookieSite site_of(config::SameSite same_site) {
  switch (same_site) {
    case config::SameSite::lax: return http::CookieSite::lax;
    case config::SameSite::strict: return http::CookieSite::strict;
    case config::SameSite::none: return http::CookieSite::none;
    case config::SameSite::unset: break;
  }
  return http::CookieSite::unset;
}

}  // namespace

SessionCookie open_session_cookie(const Exchange& exchange, std::string_view name,
                                  std::string_view context, config::Milliseconds duration) {
  SessionCookie session;
  const net::Sealer& sealer = *exchange.view->snapshot->sealer;
  http::CookieValues values(exchange.request.fields, name);
  for (int opened = 0; opened < cookies_opened_max; ++opened) {
    const std::optional<std::string_view> value = values.next();
    if (!value.has_value()) break;
    const std::optional<std::string> payload = sealer.open(*value, context);
    const std::optional<Pinned> pinned =
        payload.has_value() ? read_payload(*payload) : std::nullopt;
    if (!pinned.has_value()) {
      if (session.kind == SessionKind::none) session.kind = SessionKind::invalid;
    } else if (is_expired(exchange, pinned->issued_at, duration)) {
      session.kind = SessionKind::expired;
    } else {
      session.kind = SessionKind::found;
      session.value = pinned->name;
      session.issued_at = pinned->issued_at;
      break;
    }
  }
  return session;
}

std::string seal_session_cookie(const Exchange& exchange, std::string_view value,
                                std::string_view context) {
  return exchange.view->snapshot->sealer->seal(payload_of(value, now(exchange)), context);
}

bool is_renewal_due(const Exchange& exchange, base::WallTime issued_at,
                    config::Milliseconds duration) {
  return now(exchange) - issued_at >= duration / 10;
}

http::CookieAttributes cookie_attributes(const Exchange& exchange,
                                         const config::Stickiness& settings) {
  http::CookieAttributes attributes{.path = settings.path, .domain = settings.domain};
  if (settings.max_age) {
    attributes.max_age = std::chrono::ceil<std::chrono::seconds>(settings.duration);
  }
  attributes.secure = is_secure(exchange, settings.secure);
  attributes.http_only = settings.http_only;
  attributes.same_site = site_of(settings.same_site);
  return attributes;
}

void add_cookie(Exchange& exchange, std::string_view set_cookie) {
  if (set_cookie.empty()) return;
  exchange.cookie_lines.append("Set-Cookie: ").append(set_cookie).append("\r\n");
}

}  // namespace sluice::proxy
