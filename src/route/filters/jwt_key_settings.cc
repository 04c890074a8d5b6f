#include "route/filters/jwt_key_settings.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sluice/http/url.h"
#include "sluice/net/endpoint.h"

namespace sluice::route {
namespace {

using config::Milliseconds;
using config::Node;
using config::Problems;
using namespace std::chrono_literals;

// Into host, port, authority and path. False when it is no URL that we fetch.
bool split_url(std::string_view text, KeySettings& settings) {
  auto url = http::parse_url(text);
  if (!url || !url->is_https) return false;
  settings.authority = std::move(url->authority);
  settings.host = std::move(url->host);
  settings.port = url->port;
  settings.path = std::move(url->path);
  return true;
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
