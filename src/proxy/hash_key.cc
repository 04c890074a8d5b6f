#include "proxy/hash_key.h"

#include <sys/socket.h>

#include <span>
#include <string_view>

#include "sluice/base/hash.h"
#include "sluice/http/cookie.h"

namespace sluice::proxy {

namespace {

std::string_view header_value(const http::Fields& fields, std::string_view name) {
  const http::Field* field = fields.find(name);
  return field != nullptr ? field->value : std::string_view{};
}

std::string_view cookie_value(const http::Fields& fields, std::string_view name) {
  return http::CookieValues(fields, name).next().value_or(std::string_view{});
}

std::string_view parameter_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view parameter = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
    if (parameter.size() > name.size() && parameter[name.size()] == '=' &&
        parameter.starts_with(name)) {
      return parameter.substr(name.size() + 1);
    }
  }
  return {};
}

// Empty when the client came by a Unix socket and no trusted proxy named it.
std::string_view address_bytes(const Exchange& exchange) {
  const bool is_known = !exchange.client_text.empty() ||
                        exchange.connection->client().family() == AF_INET ||
                        exchange.connection->client().family() == AF_INET6;
  if (!is_known) return {};
  const std::span<const std::uint8_t> bytes = exchange.client.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string_view key_of(const config::HashKey& key, const Exchange& exchange) {
  const http::RequestHead& request = exchange.request;
  switch (key.source) {
    case config::HashSource::header: return header_value(request.fields, key.name);
    case config::HashSource::cookie: return cookie_value(request.fields, key.name);
    case config::HashSource::query: return parameter_value(request.query, key.name);
    case config::HashSource::path: return request.path;
    case config::HashSource::source_ip: return address_bytes(exchange);
  }
  return {};
}

}  // namespace

std::optional<std::uint64_t> hash_of(const config::HashKey& key, const Exchange& exchange) {
  const std::string_view text = key_of(key, exchange);
  if (text.empty()) return std::nullopt;
  return base::hash(text);
}

}  // namespace sluice::proxy
