#include "route/filters/jwt_key_settings.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sluice/base/text.h"
#include "sluice/http/uri.h"
#include "sluice/net/endpoint.h"

namespace sluice::route {
namespace {

using config::Milliseconds;
using config::Node;
using config::Problems;
using namespace std::chrono_literals;

constexpr std::size_t url_bytes_max = 1024;
constexpr std::string_view scheme = "https://";

// Into host, port, authority and path. False when it is no URL that we fetch.
bool split_url(std::string_view url, KeySettings& settings) {
  if (url.size() > url_bytes_max || !url.starts_with(scheme)) return false;
  const bool is_visible =
      std::ranges::all_of(url, [](char c) { return c > ' ' && c <= '~' && c != '#'; });
  if (!is_visible) return false;
  url.remove_prefix(scheme.size());
  const std::size_t end = std::min(url.find_first_of("/?"), url.size());
  const std::string_view authority = url.substr(0, end);
  if (!http::is_valid_authority(authority)) return false;
  settings.authority = authority;
  settings.path = url.substr(end);
  if (!settings.path.starts_with('/')) settings.path.insert(0, "/");
  settings.host = http::host_without_port(authority);
  if (settings.host.starts_with('[')) {
    settings.host = settings.host.substr(1, settings.host.size() - 2);
  }
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    const auto port = base::parse_decimal(authority.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) return false;
    settings.port = static_cast<std::uint16_t>(*port);
  }
  return !settings.host.empty();
}

void read_duration(const Node& node, std::string_view key, Milliseconds least, Milliseconds most,
                   Milliseconds& value, Problems& problems) {
  if (const auto given = node.get(key)) {
    value = given->as_duration(least, most, problems).value_or(value);
  }
}

std::shared_ptr<KeySource> read_url(const Node& node, const Node& url, KeySettings settings,
                                    const std::shared_ptr<KeySource>& former, Problems& problems) {
  Problems found;
  settings.url = url.as_string(found).value_or("");
  if (!settings.url.empty() && !split_url(settings.url, settings)) {
    url.error("must be a URL such as https://idp.example/keys, without user and fragment, not " +
                  url.quoted(),
              found);
  }
  const auto address = net::Endpoint::numeric(settings.host, settings.port);
  if (address && net::is_metadata_address(*address)) {
    url.error("the instance metadata address cannot be asked for keys", found);
  }
  read_duration(node, "refresh", 1s, 24h, settings.refresh, found);
  read_duration(node, "timeout", 100ms, 60s, settings.timeout, found);
  read_duration(node, "keep", 1s, 30 * 24h, settings.keep, found);
  read_duration(node, "refetch", 1s, 1h, settings.refetch, found);
  if (settings.keep < settings.refresh) {
    node.error("keep must not be shorter than refresh: each set would end before the next comes",
               found);
  }
  config::ClientTls tls;
  tls.position = node.position();
  if (const auto ca = node.get("ca")) tls.ca = ca->as_string(found).value_or("");
  Problems of_tls;
  settings.tls = net::ClientTlsContext::load(tls, of_tls);
  found.add(of_tls, node.path());
  problems.add(found, "");
  if (found.has_errors()) return nullptr;
  if (former != nullptr && former->settings().fingerprint() == settings.fingerprint()) {
    return former;
  }
  return std::make_shared<KeySource>(std::move(settings));
}

std::shared_ptr<KeySource> read_file(const Node& file, KeySettings settings,
                                     const std::shared_ptr<KeySource>& former, Problems& problems) {
  const auto path = file.as_string(problems);
  if (!path) return nullptr;
  settings.file = *path;
  std::string error;
  auto text = net::read_key_set_file(settings.file, error);
  std::optional<net::JsonWebKeySet> set;
  if (text) set = net::parse_json_web_keys(*text, error);
  if (!set) {
    file.error("cannot use " + file.quoted() + ": " + error, problems);
    return nullptr;
  }
  for (const std::string& one : set->passed_over) file.warning("passes over " + one, problems);
  const bool is_same = former != nullptr &&
                       former->settings().fingerprint() == settings.fingerprint() &&
                       former->keys()->text == *text;
  if (is_same) return former;
  auto source = std::make_shared<KeySource>(std::move(settings));
  source->publish(KeySource::make_keys(*std::move(set), *std::move(text), nullptr), {});
  return source;
}

}  // namespace

std::shared_ptr<KeySource> read_key_source(const Node& node,
                                           const std::shared_ptr<KeySource>& former,
                                           Problems& problems) {
  const auto file = node.kind() == Node::Kind::mapping ? node.get("file") : std::nullopt;
  const auto url = node.kind() == Node::Kind::mapping ? node.get("url") : std::nullopt;
  if (file.has_value() == url.has_value()) {
    node.error("must be { file: F } or { url: https://..., refresh: 10m }, not " + node.quoted(),
               problems);
    return nullptr;
  }
  if (file) {
    node.allow_keys({"file"}, problems);
    return read_file(*file, {}, former, problems);
  }
  node.allow_keys({"url", "refresh", "timeout", "keep", "refetch", "ca"}, problems);
  return read_url(node, *url, {}, former, problems);
}

}  // namespace sluice::route
