#include "route/claim_limits.h"

#include <algorithm>
#include <optional>
#include <string>

namespace sluice::route {
namespace {

bool has_claim_limit(const Rule& rule) {
  const RateLimits* limits = rule.filters.rate_limit.get();
  return limits != nullptr && std::ranges::find(limits->limits, RateLimitKey::claim,
                                                &RateLimit::key) != limits->limits.end();
}

std::optional<config::Node> limit_of(const std::optional<config::Node>& filters) {
  return filters ? filters->get("rate_limit") : std::nullopt;
}

// What the rule of this name says itself; nothing for the default.
std::optional<config::Node> own_limit(const config::Listener& listener, const Rule& rule) {
  const auto source = std::ranges::find(listener.rules, rule.name, &config::Rule::name);
  return source == listener.rules.end() ? std::nullopt : limit_of(source->filters);
}

}  // namespace

void report_claim_limits(const config::Listener& listener, const std::vector<Rule>& rules,
                         config::Problems& problems) {
  std::size_t with_token = 0;
  std::string without_token;  // the first of them
  for (const Rule& rule : rules) {
    if (!has_claim_limit(rule)) continue;
    const auto own = own_limit(listener, rule);
    if (own && rule.filters.jwt == nullptr) {
      own->error("is by a claim, but the rule has no jwt to verify one: it would limit nobody",
                 problems);
    }
    if (own) continue;
    if (rule.filters.jwt != nullptr) {
      ++with_token;
    } else if (without_token.empty() && rule.action) {
      without_token = rule.name;
    }
  }
  const auto shared = limit_of(listener.filters);
  if (!shared || without_token.empty()) return;
  if (with_token == 0) {
    shared->error("is by a claim, but no rule that takes it has a jwt to verify one", problems);
  } else {
    shared->warning("is by a claim, which limits nobody in the rule '" + without_token +
                        "', for that has no jwt",
                    problems);
  }
}

}  // namespace sluice::route
