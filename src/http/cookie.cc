#include "sluice/http/cookie.h"

#include "sluice/base/text.h"

namespace sluice::http {

namespace {

std::string_view without_quotes(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return text;
  return text.substr(1, text.size() - 2);
}

std::string_view text_of(CookieSite site) {
  switch (site) {
    case CookieSite::lax: return "; SameSite=Lax";
    case CookieSite::strict: return "; SameSite=Strict";
    case CookieSite::none: return "; SameSite=None";
    case CookieSite::unset: break;
  }
  return {};
}

}  // namespace

std::optional<Cookie> take_cookie(std::string_view& text) {
  while (!text.empty()) {
    const std::size_t end = text.find(';');
    const std::string_view pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = base::trim(pair.substr(0, equals));
    if (name.empty()) continue;
    return Cookie{name, without_quotes(base::trim(pair.substr(equals + 1)))};
  }
  return std::nullopt;
}

std::optional<std::string_view> CookieValues::next() {
  while (true) {
    while (const std::optional<Cookie> cookie = take_cookie(rest_)) {
      if (cookie->name == name_) return cookie->value;
    }
    while (next_field_ != end_ && next_field_->known != FieldName::cookie) ++next_field_;
    if (next_field_ == end_) return std::nullopt;
    rest_ = next_field_->value;
    ++next_field_;
  }
}

bool sets_cookie(std::string_view set_cookie, std::string_view name) {
  std::string_view pair = set_cookie.substr(0, set_cookie.find(';'));
  const std::optional<Cookie> cookie = take_cookie(pair);
  return cookie.has_value() && cookie->name == name;
}

std::string set_cookie(std::string_view name, std::string_view value,
                       const CookieAttributes& attributes) {
  std::string out;
  out.reserve(name.size() + value.size() + attributes.path.size() + attributes.domain.size() + 96);
  out.append(name).append("=").append(value);
  if (!attributes.path.empty()) out.append("; Path=").append(attributes.path);
  if (!attributes.domain.empty()) out.append("; Domain=").append(attributes.domain);
  if (attributes.max_age.has_value()) {
    out.append("; Max-Age=");
    const auto seconds = attributes.max_age->count();
    base::append_decimal(out, seconds > 0 ? static_cast<std::uint64_t>(seconds) : 0);
  }
  if (attributes.secure) out.append("; Secure");
  if (attributes.http_only) out.append("; HttpOnly");
  out.append(text_of(attributes.same_site));
  return out;
}

}  // namespace sluice::http
