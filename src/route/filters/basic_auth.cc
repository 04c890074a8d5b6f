// basic_auth: { realm: "Intranet", users_file: /etc/sluice/users } - the name and password of one
// of these users, or 401.
#include "sluice/route/filters/basic_auth.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "route/filters/basic_auth_users.h"
#include "route/filters/free_header.h"
#include "route/filters/readers.h"
#include "sluice/base/text.h"

namespace sluice::route {
namespace {

using config::Node;
using config::Problems;
using namespace std::chrono_literals;

constexpr std::size_t realm_bytes_max = 128;

// A quoted-string (RFC 9110 5.6.4). The charset says how browsers are to encode names and
// passwords (RFC 7617 2.1); bytes are compared, whatever they do.
std::string challenge_of(std::string_view realm) {
  std::string challenge = "Basic realm=\"";
  for (const char c : realm) {
    if (c == '"' || c == '\\') challenge += '\\';
    challenge += c;
  }
  return challenge + "\", charset=\"UTF-8\"";
}

void read_realm(const Node& node, BasicAuth& basic, Problems& problems) {
  const auto realm = node.get("realm");
  const auto text = realm ? realm->as_string(problems) : std::string("sluice");
  if (!text) return;
  const bool is_visible = std::ranges::all_of(*text, [](char c) { return c >= ' ' && c <= '~'; });
  if (text->empty() || text->size() > realm_bytes_max || !is_visible) {
    realm->error("must be 1 to " + std::to_string(realm_bytes_max) +
                     " bytes of printable ASCII, not " + realm->quoted(),
                 problems);
    return;
  }
  basic.challenge = challenge_of(*text);
}

void read_all_users(const Node& node, BasicAuth& basic, Problems& problems) {
  const auto users = node.get_section("users");
  const auto file = node.get("users_file");
  Problems found;
  UsersByName by_name;
  if (users) read_users(*users, by_name, found);
  if (file) read_users_file(*file, by_name, found);
  problems.add(found, "");
  for (auto& [name, hash] : by_name) basic.users.push_back({name, std::move(hash)});
  if (found.has_errors() || !basic.users.empty()) return;
  if (file) {
    file->error("has no user: nobody could log in", problems);
  } else {
    node.error("needs users: { NAME: HASH }, or users_file, or both", problems);
  }
}

void read_cache(const Node& node, CredentialCache::Settings& settings, Problems& problems) {
  if (node.kind() != Node::Kind::mapping || node.keys().empty()) {
    node.error("must be a mapping with any of entries, ttl and failure_ttl, not " + node.quoted(),
               problems);
    return;
  }
  node.allow_keys({"entries", "ttl", "failure_ttl"}, problems);
  if (const auto given = node.get("entries")) {
    const auto entries = given->as_integer(0, 1'000'000, problems);
    if (entries) settings.entries = static_cast<std::uint32_t>(*entries);
  }
  if (const auto given = node.get("ttl")) {
    settings.ttl = given->as_duration(1s, 24h, problems).value_or(settings.ttl);
  }
  if (const auto given = node.get("failure_ttl")) {
    settings.failure_ttl = given->as_duration(0ms, 1h, problems).value_or(settings.failure_ttl);
  }
}

void read_number(const Node& node, std::string_view key, std::uint64_t most, std::uint32_t& value,
                 Problems& problems) {
  const auto given = node.get(key);
  const auto number = given ? given->as_integer(1, most, problems) : std::nullopt;
  if (number) value = static_cast<std::uint32_t>(*number);
}

}  // namespace

BasicAuth::Account BasicAuth::account_of(std::string_view name) const {
  // Reckoned for every name, so that its time tells nobody which are known.
  const BasicAuthUser& stand_in = users[cache->number_of(name) % users.size()];
  const auto user = std::ranges::lower_bound(users, name, {}, &BasicAuthUser::name);
  if (user != users.end() && user->name == name) return {user->hash, true};
  return {stand_in.hash, false};
}

void read_basic_auth(const config::Node& value, Filters& filters, const FilterContext& context,
                     config::Problems& problems) {
  if (value.kind() != Node::Kind::mapping || value.keys().empty()) {
    value.error("must be a mapping with users or users_file, not " + value.quoted(), problems);
    return;
  }
  Problems found;
  value.allow_keys({"realm", "users", "users_file", "user_header", "forward_authorization", "cache",
                    "queue", "waiting"},
                   found);
  BasicAuth basic;
  read_realm(value, basic, found);
  read_all_users(value, basic, found);
  if (const auto given = value.get("user_header")) {
    basic.user_header = given->as_string(found).value_or("");
    if (!is_free_header(basic.user_header)) {
      given->error(header_wanted + given->quoted(), found);
    }
  }
  if (const auto given = value.get("forward_authorization")) {
    basic.forward_authorization = given->as_bool(found).value_or(false);
  }
  CredentialCache::Settings cache;
  if (const auto given = value.get_section("cache")) read_cache(*given, cache, found);
  read_number(value, "queue", 1000, basic.queue, found);
  read_number(value, "waiting", 100'000, basic.waiting, found);
  problems.add(found, "");
  if (found.has_errors()) return;
  const BasicAuth* former = context.former != nullptr ? context.former->basic_auth.get() : nullptr;
  basic.cache = former != nullptr && former->cache->settings() == cache
                    ? former->cache
                    : std::make_shared<CredentialCache>(cache);
  filters.basic_auth = std::make_shared<const BasicAuth>(std::move(basic));
}

}  // namespace sluice::route
