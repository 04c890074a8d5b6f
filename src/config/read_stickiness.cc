// How requests of one client stay with one target.
//
// A cookie that browsers silently drop would be stickiness that silently does not work, so what RFC
// 6265 and its prefixes ask for is checked here.
#include <algorithm>
#include <array>
#include <utility>

#include "config/readers.h"
#include "sluice/base/text.h"
#include "sluice/config/stickiness.h"

namespace sluice::config {
namespace {

constexpr std::array cookie_settings = {"duration",  "cookie_name", "secure", "http_only",
                                        "same_site", "path",        "domain", "max_age"};

void read_cookie_name(const Node& node, std::string& name, Problems& problems) {
  constexpr std::size_t longest = 128;
  auto text = node.as_string(problems);
  if (!text) return;
  if (is_token(*text) && text->size() <= longest) {
    name = std::move(*text);
  } else {
    node.error("must be the name of a cookie, 1 to 128 letters, digits or !#$%&'*+-.^_`|~, not " +
                   node.quoted(),
               problems);
  }
}

// With `true` and `false` for what a switch says elsewhere.
void read_secure(const Node& node, CookieSecure& secure, Problems& problems) {
  const auto index = node.as_choice({"auto", "always", "never", "true", "false"}, problems);
  if (!index) return;
  secure = std::array{CookieSecure::automatic, CookieSecure::always, CookieSecure::never,
                      CookieSecure::always, CookieSecure::never}[*index];
}

// path-value of RFC 6265 4.1.1, without spaces; browsers take a path that does not begin with a
// slash for none.
void read_cookie_path(const Node& node, std::string& path, Problems& problems) {
  constexpr std::size_t longest = 1024;
  auto text = node.as_string(problems);
  if (!text) return;
  const auto fits = [](char c) { return c > ' ' && c <= '~' && c != ';'; };
  if (text->starts_with('/') && text->size() <= longest && std::ranges::all_of(*text, fits)) {
    path = std::move(*text);
  } else {
    node.error(
        "must begin with / and be at most 1024 visible ASCII characters without a semicolon, not " +
            node.quoted(),
        problems);
  }
}

void read_cookie_domain(const Node& node, std::string& domain, Problems& problems) {
  constexpr std::size_t longest = 253;
  auto text = node.as_string(problems);
  if (!text) return;
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.';
  };
  const bool has_label = text->find_first_not_of('.') != std::string::npos;
  if (has_label && text->size() <= longest && std::ranges::all_of(*text, fits)) {
    domain = std::move(*text);
  } else {
    node.error(
        "must be a domain such as example.com, letters, digits, - and . only, not " + node.quoted(),
        problems);
  }
}

// Of a name with a prefix (RFC 6265bis 4.1.3), in any case of letters, as browsers see it.
void check_prefix(const Node& node, const Stickiness& stickiness, Problems& problems) {
  const std::string name = base::to_lower(stickiness.cookie_name);
  const bool for_host = name.starts_with("__host-");
  if (!for_host && !name.starts_with("__secure-")) return;
  const std::string why = "; browsers drop a cookie named " +
                          std::string(for_host ? "__Host-..." : "__Secure-...") + " otherwise";
  if (stickiness.secure == CookieSecure::never) {
    node.get("secure")->error("must be auto or always" + why, problems);
  }
  if (for_host && stickiness.path != "/") {
    node.get("path")->error("must be /" + why, problems);
  }
  if (for_host && !stickiness.domain.empty()) {
    node.get("domain")->error("must be left out" + why, problems);
  }
}

void check_same_site(const Node& node, const Stickiness& stickiness, Problems& problems) {
  if (stickiness.same_site != SameSite::none || stickiness.secure != CookieSecure::never) return;
  node.get("secure")->error(
      "must be auto or always with same_site: none; browsers drop the "
      "cookie otherwise",
      problems);
}

void check_cookie(const Node& node, const Stickiness& stickiness, Problems& problems) {
  if (const auto key = node.get("key")) key->error("only with type: hash", problems);
  if (stickiness.type == StickinessType::app_cookie && !node.get("cookie_name")) {
    problems.error(node.position(), node.path_of("cookie_name"),
                   "missing; it must be the name of the application's cookie");
  }
  check_same_site(node, stickiness, problems);
  // The application's own cookie has the attributes that the application gives it.
  if (stickiness.type == StickinessType::lb_cookie) check_prefix(node, stickiness, problems);
}

void check_hash(const Node& node, Problems& problems) {
  if (!node.get_section("key")) {
    problems.error(node.position(), node.path_of("key"),
                   "missing; it must be what of a request is hashed, such as { query: sid }");
  }
  for (const std::string_view setting : cookie_settings) {
    const auto given = node.get(setting);
    if (given) given->error("only with type: lb_cookie or app_cookie", problems);
  }
}

void read_cookie(Section& section, Stickiness& stickiness, Problems& problems) {
  section.duration("duration", {std::chrono::seconds(1), std::chrono::hours(24 * 7)},
                   stickiness.duration);
  if (const auto name = section.get("cookie_name"))
    read_cookie_name(*name, stickiness.cookie_name, problems);
  if (const auto secure = section.get("secure")) read_secure(*secure, stickiness.secure, problems);
  section.flag("http_only", stickiness.http_only);
  section.choice("same_site", {"lax", "strict", "none", "unset"}, stickiness.same_site);
  if (const auto path = section.get("path")) read_cookie_path(*path, stickiness.path, problems);
  if (const auto domain = section.get("domain"))
    read_cookie_domain(*domain, stickiness.domain, problems);
  section.flag("max_age", stickiness.max_age);
}

}  // namespace

void read_stickiness(const Node& node, Stickiness& stickiness, Problems& problems) {
  Section section(node, problems);
  if (const auto type = section.require("type", "lb_cookie, app_cookie or hash")) {
    const auto index = type->as_choice({"lb_cookie", "app_cookie", "hash"}, problems);
    if (index) {
      stickiness.type = std::array{StickinessType::lb_cookie, StickinessType::app_cookie,
                                   StickinessType::hash}[*index];
    }
  }
  read_cookie(section, stickiness, problems);
  if (const auto key = section.section("key")) read_hash_key(*key, stickiness.key, problems);

  if (stickiness.type == StickinessType::hash) {
    check_hash(node, problems);
  } else if (stickiness.type != StickinessType::none) {
    check_cookie(node, stickiness, problems);
  }
}

void read_group_stickiness(const Node& node, GroupStickiness& stickiness, Problems& problems) {
  Section section(node, problems);
  read_cookie(section, stickiness.cookie, problems);
  section.flag("cors", stickiness.cors);
  check_same_site(node, stickiness.cookie, problems);
  check_prefix(node, stickiness.cookie, problems);
}

}  // namespace sluice::config
