// redirect: { protocol: https, host: "www.#{host}", port: "8443", path: "/new/#{path}" } sends the
// client elsewhere. Every key is optional, but the redirect must change something.
#include <algorithm>
#include <utility>

#include "route/actions/makers.h"
#include "route/actions/redirect_template.h"
#include "sluice/base/text.h"
#include "sluice/http/uri.h"

namespace sluice::route {
namespace {

std::uint16_t default_port(std::string_view protocol) { return protocol == "https" ? 443 : 80; }

// --- reading: false when a problem was recorded -------------------------------------------------

bool read_protocol(const config::Node& node, Redirect& redirect, config::Problems& problems) {
  const auto text = node.as_string(problems);
  if (!text) return false;
  if (*text == "#{protocol}") return true;
  std::string protocol = base::to_lower(*text);
  if (protocol != "http" && protocol != "https") {
    node.error("must be http, https or #{protocol}, not " + node.quoted(), problems);
    return false;
  }
  redirect.protocol = std::move(protocol);
  return true;
}

bool read_port(const config::Node& node, Redirect& redirect, config::Problems& problems) {
  const auto text = node.as_string(problems);
  if (!text) return false;
  if (*text == "#{port}") {
    redirect.keeps_port = true;
    return true;
  }
  const auto port = base::parse_decimal(*text);
  if (!port || *port < 1 || *port > 65535) {
    node.error("must be a whole number from 1 to 65535 or #{port}, not " + node.quoted(), problems);
    return false;
  }
  redirect.port = static_cast<std::uint16_t>(*port);
  return true;
}

// What the template gives when each placeholder brings `x`: a sample for checks.
std::string sample(const RedirectTemplate& text) {
  std::string out;
  for (const auto& piece : text.pieces()) {
    out += piece.placeholder == Placeholder::none ? piece.literal : "x";
  }
  return out;
}

bool read_host(const config::Node& node, Redirect& redirect, config::Problems& problems) {
  const auto text = node.as_string(problems);
  if (!text) return false;
  if (*text == "#{host}") return true;
  auto parsed = parse_template(node, *text, {Placeholder::host}, problems);
  if (!parsed) return false;
  const std::string host = sample(*parsed);
  if (!http::is_valid_authority(host) || http::host_without_port(host) != host) {
    node.error("must be a host name or an IP address (IPv6 in brackets), without port, not " +
                   node.quoted(),
               problems);
    return false;
  }
  redirect.host = std::move(parsed);
  return true;
}

// RFC 3986 3.3 and 3.4, with the '%' of escapes. '?' is good in a query only.
bool is_uri_text(std::string_view text, bool in_query) {
  return std::ranges::all_of(text, [&](char c) {
    if (c == '?') return in_query;
    return c > ' ' && c <= '~' &&
           std::string_view("\"#<>[\\]^`{|}").find(c) == std::string_view::npos;
  });
}

bool read_path(const config::Node& node, Redirect& redirect, config::Problems& problems) {
  const auto text = node.as_string(problems);
  if (!text) return false;
  if (*text == "/#{path}") return true;
  auto parsed = parse_template(node, *text,
                               {Placeholder::host, Placeholder::port, Placeholder::path}, problems);
  if (!parsed) return false;
  const std::string path = sample(*parsed);
  if (!path.starts_with('/') || !is_uri_text(path, false)) {
    node.error(
        "must begin with '/' (#{path} comes without it) and be a path as in a URL, spaces and the "
        "like as %XX, the query in `query`, not " +
            node.quoted(),
        problems);
    return false;
  }
  redirect.path = std::move(parsed);
  return true;
}

bool read_query(const config::Node& node, Redirect& redirect, config::Problems& problems) {
  const auto text = node.as_string(problems);
  if (!text) return false;
  if (*text == "#{query}") return true;
  auto parsed = parse_template(node, *text,
                               {Placeholder::protocol, Placeholder::host, Placeholder::port,
                                Placeholder::path, Placeholder::query},
                               problems);
  if (!parsed) return false;
  const std::string query = sample(*parsed);
  if (query.starts_with('?') || !is_uri_text(query, true)) {
    node.error(
        "must be a query as in a URL, without the '?' in front, spaces and the like as %XX, not " +
            node.quoted(),
        problems);
    return false;
  }
  redirect.query = std::move(parsed);
  return true;
}

// ALB writes HTTP_301.
bool read_status(const config::Node& node, Redirect& redirect, config::Problems& problems) {
  const auto choice = node.as_choice({"301", "302", "303", "307", "308", "HTTP_301", "HTTP_302",
                                      "HTTP_303", "HTTP_307", "HTTP_308"},
                                     problems);
  if (!choice) return false;
  constexpr std::uint16_t statuses[] = {301, 302, 303, 307, 308};
  redirect.status = statuses[*choice % std::size(statuses)];
  return true;
}

// As in ALB, a changed query alone does not count: the same rule would catch the client again.
bool changes_something(const Redirect& redirect) {
  return redirect.protocol || redirect.host || redirect.port || redirect.path;
}

// --- answering ----------------------------------------------------------------------------------

std::uint16_t port_of(const Redirect& redirect, const RedirectInput& input,
                      std::string_view protocol) {
  if (redirect.port) return *redirect.port;
  if (protocol != input.protocol && !redirect.keeps_port) return default_port(protocol);
  return input.port;
}

// What stands for a part that is not set.
const RedirectTemplate& same_host() {
  static const RedirectTemplate same({{.placeholder = Placeholder::host, .literal = {}}});
  return same;
}
const RedirectTemplate& same_path() {
  static const RedirectTemplate same(
      {{.literal = "/"}, {.placeholder = Placeholder::path, .literal = {}}});
  return same;
}
const RedirectTemplate& same_query() {
  static const RedirectTemplate same({{.placeholder = Placeholder::query, .literal = {}}});
  return same;
}

}  // namespace

std::optional<Action> make_redirect(const config::Node& value, const GroupLookup& /*groups*/,
                                    config::Problems& problems) {
  if (value.kind() != config::Node::Kind::mapping) {
    value.error("must be a mapping such as { protocol: https, port: \"443\", status: 308 }, not " +
                    value.quoted(),
                problems);
    return std::nullopt;
  }
  value.allow_keys({"protocol", "host", "port", "path", "query", "status"}, problems);
  Redirect redirect;
  bool good = true;
  if (const auto node = value.get("protocol")) good &= read_protocol(*node, redirect, problems);
  if (const auto node = value.get("host")) good &= read_host(*node, redirect, problems);
  if (const auto node = value.get("port")) good &= read_port(*node, redirect, problems);
  if (const auto node = value.get("path")) good &= read_path(*node, redirect, problems);
  if (const auto node = value.get("query")) good &= read_query(*node, redirect, problems);
  if (const auto node = value.get("status")) good &= read_status(*node, redirect, problems);
  if (!good) return std::nullopt;
  if (!changes_something(redirect)) {
    value.error("is a loop: it must change the protocol, host, port or path", problems);
    return std::nullopt;
  }
  return redirect;
}

std::optional<std::string> Redirect::location(const RedirectInput& input) const {
  const std::string_view new_protocol = protocol ? std::string_view(*protocol) : input.protocol;
  std::string new_host;
  (host ? *host : same_host()).append_to(new_host, input, location_limit);

  std::string out;
  if (!new_host.empty()) {
    out.append(new_protocol).append("://").append(new_host);
    if (const std::uint16_t new_port = port_of(*this, input, new_protocol);
        new_port != default_port(new_protocol)) {
      out += ':';
      base::append_decimal(out, new_port);
    }
  }
  const std::size_t path_begin = out.size();
  (path ? *path : same_path()).append_to(out, input, location_limit);
  // A relative reference that began with two slashes would name a host (RFC 3986 4.2).
  if (path_begin == 0) out.erase(0, std::min(out.find_first_not_of('/'), out.size()) - 1);

  const std::size_t mark = out.size();
  out += '?';
  (query ? *query : same_query()).append_to(out, input, location_limit);
  if (out.size() == mark + 1) out.pop_back();
  if (out.size() > location_limit) return std::nullopt;
  return out;
}

}  // namespace sluice::route
