// rate_limit: { key: source_ip, rate: 100/s, burst: 200 }, or a list of such mappings, all of which
// must admit a request. Others are answered 429.
#include "sluice/route/filters/rate_limit.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "route/filters/readers.h"
#include "sluice/base/text.h"

namespace sluice::route {
namespace {

constexpr std::string_view key_forms =
    "must be source_ip, rule, { header: NAME }, { cookie: NAME } or { claim: NAME }";

std::string_view word_of(RateLimitKey key) {
  switch (key) {
    case RateLimitKey::source_ip: return "source_ip";
    case RateLimitKey::header: return "header";
    case RateLimitKey::cookie: return "cookie";
    case RateLimitKey::rule: return "rule";
    case RateLimitKey::claim: return "claim";
  }
  return "";
}

// RFC 9110 5.6.2.
bool is_token(std::string_view text) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           marks.find(c) != std::string_view::npos;
  });
}

bool is_printable(std::string_view text) {
  return !text.empty() && text.size() <= 128 &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

void read_named_key(const config::Node& node, RateLimit& limit, config::Problems& problems) {
  node.allow_keys({"header", "cookie", "claim"}, problems);
  if (node.keys().size() != 1) {
    node.error(std::string(key_forms) + ", one of them", problems);
    return;
  }
  for (const RateLimitKey key : {RateLimitKey::header, RateLimitKey::cookie, RateLimitKey::claim}) {
    const auto value = node.get(word_of(key));
    if (!value) continue;
    const auto name = value->as_string(problems);
    if (!name) continue;
    const bool is_good = key == RateLimitKey::claim ? is_printable(*name) : is_token(*name);
    if (!is_good) {
      value->error("must be the name of a " +
                       std::string(key == RateLimitKey::header ? "header field" : word_of(key)) +
                       ", not " + value->quoted(),
                   problems);
      continue;
    }
    limit.key = key;
    // Names of fields are compared without case, the others with it.
    limit.key_name = key == RateLimitKey::header ? base::to_lower(*name) : *name;
  }
}

void read_key(const config::Node& node, RateLimit& limit, config::Problems& problems) {
  if (node.kind() == config::Node::Kind::mapping) return read_named_key(node, limit, problems);
  config::Problems unsaid;
  const auto text = node.as_string(unsaid);
  if (text == "source_ip") {
    limit.key = RateLimitKey::source_ip;
  } else if (text == "rule") {
    limit.key = RateLimitKey::rule;
  } else {
    node.error(std::string(key_forms) + ", not " + node.quoted(), problems);
  }
}

void read_number(const config::Node& of, std::string_view name, std::uint32_t most,
                 std::uint32_t& field, config::Problems& problems) {
  const auto node = of.get(name);
  if (!node) return;
  const auto value = node->as_integer(1, most, problems);
  if (value) field = static_cast<std::uint32_t>(*value);
}

void read_rate(const config::Node& of, RateLimit& limit, config::Problems& problems) {
  constexpr std::string_view form =
      "must be a number of requests, 1 to 1000000, per second, minute or hour, such as 100/s, "
      "6000/m or 10/h";
  const auto node = of.get("rate");
  if (!node) {
    of.error("needs a rate, which " + std::string(form), problems);
    return;
  }
  const auto text = node->as_string(problems);
  if (!text) return;
  const auto rate = Rate::parse(*text);
  if (!rate) {
    node->error(std::string(form) + ", not " + node->quoted(), problems);
    return;
  }
  limit.rate = *rate;
  limit.burst = rate->requests;
}

// Keys that say nothing beside this kind of key are mistakes.
void refuse_useless(const config::Node& node, const RateLimit& limit, config::Problems& problems) {
  if (const auto prefix = node.get("ipv6_prefix"); prefix && limit.key != RateLimitKey::source_ip) {
    prefix->error("is for key source_ip only", problems);
  }
  if (const auto keys = node.get("max_keys"); keys && limit.key == RateLimitKey::rule) {
    keys->error("is not for key rule, which has one bucket", problems);
  }
}

// A name that the file does not give: the kind of key, and its number among those.
std::string usual_name(const RateLimit& limit, const std::vector<RateLimit>& before) {
  const auto alike = std::ranges::count(before, limit.key, &RateLimit::key);
  std::string name(word_of(limit.key));
  if (alike > 0) name += "-" + std::to_string(alike + 1);
  return name;
}

void read_name(const config::Node& of, const std::vector<RateLimit>& before, RateLimit& limit,
               config::Problems& problems) {
  limit.name = usual_name(limit, before);
  const auto node = of.get("name");
  if (node) {
    const auto text = node->as_string(problems);
    if (!text) return;
    const bool is_good = text->size() <= 64 && is_token(*text);
    if (!is_good) {
      node->error("must be a name of 1 to 64 letters, digits and any of !#$%&'*+-.^_`|~, not " +
                      node->quoted(),
                  problems);
      return;
    }
    limit.name = *text;
  }
  if (std::ranges::find(before, limit.name, &RateLimit::name) != before.end()) {
    (node ? *node : of).error("another limit of this list is named '" + limit.name + "'", problems);
  }
}

RateLimit read_limit(const config::Node& node, const std::vector<RateLimit>& before,
                     config::Problems& problems) {
  RateLimit limit;
  if (node.kind() != config::Node::Kind::mapping) {
    node.error("must be a mapping such as { key: source_ip, rate: 100/s }, not " + node.quoted(),
               problems);
    return limit;
  }
  node.allow_keys({"name", "key", "rate", "burst", "ipv6_prefix", "max_keys", "fields"}, problems);
  if (const auto key = node.get("key")) read_key(*key, limit, problems);
  read_rate(node, limit, problems);
  read_number(node, "burst", RateLimiter::burst_most, limit.burst, problems);
  read_number(node, "ipv6_prefix", 128, limit.ipv6_prefix, problems);
  read_number(node, "max_keys", RateLimiter::keys_most, limit.max_keys, problems);
  if (limit.key == RateLimitKey::rule) limit.max_keys = 1;
  if (const auto fields = node.get("fields")) {
    limit.fields = fields->as_bool(problems).value_or(false);
  }
  refuse_useless(node, limit, problems);
  read_name(node, before, limit, problems);
  // draft-ietf-httpapi-ratelimit-headers, 3: a string, for names are tokens; quota and window.
  limit.policy = '"' + limit.name + "\";q=" + std::to_string(limit.rate.requests) +
                 ";w=" + std::to_string(limit.rate.window.count());
  return limit;
}

bool has_limiter(const RateLimits* limits, const std::shared_ptr<RateLimiter>& limiter) {
  return limits != nullptr &&
         std::ranges::find(limits->limits, limiter, &RateLimit::limiter) != limits->limits.end();
}

const RateLimit* find_limit(const RateLimits* limits, const std::string& name) {
  if (limits == nullptr) return nullptr;
  const auto found = std::ranges::find(limits->limits, name, &RateLimit::name);
  return found == limits->limits.end() ? nullptr : &*found;
}

// The buckets of the configuration before, unless they were those of the listener: a rule that has
// just got a limit of its own shared those with others until now.
std::shared_ptr<RateLimiter> limiter_for(const RateLimit& limit, const RateLimits* former,
                                         const RateLimits* former_listener) {
  const RateLimit* known = find_limit(former, limit.name);
  const bool is_kept = known != nullptr && known->counts_like(limit) &&
                       !has_limiter(former_listener, known->limiter);
  if (is_kept) return known->limiter;
  return std::make_shared<RateLimiter>(limit.rate, limit.burst, limit.max_keys);
}

}  // namespace

void read_rate_limit(const config::Node& value, Filters& filters, const FilterContext& context,
                     config::Problems& problems) {
  config::Problems found;
  const bool is_list = value.kind() == config::Node::Kind::sequence;
  const std::vector<config::Node> items =
      is_list ? value.items() : std::vector<config::Node>{value};
  if (items.empty() || items.size() > RateLimits::most) {
    value.error("must be one limit, or a list of 1 to " + std::to_string(RateLimits::most),
                problems);
    return;
  }
  RateLimits limits;
  for (const config::Node& item : items) {
    limits.limits.push_back(read_limit(item, limits.limits, found));
  }
  problems.add(found, "");
  if (found.has_errors()) return;
  const auto limits_of = [](const Filters* all) {
    return all != nullptr ? all->rate_limit.get() : nullptr;
  };
  const RateLimits* former = limits_of(context.former);
  const RateLimits* former_listener = limits_of(context.former_listener);
  for (RateLimit& limit : limits.limits) {
    limit.limiter = limiter_for(limit, former, former_listener);
  }
  filters.rate_limit = std::make_shared<const RateLimits>(std::move(limits));
}

}  // namespace sluice::route
