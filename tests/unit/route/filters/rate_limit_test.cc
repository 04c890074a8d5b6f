#include "support/certificates.h"
#include "support/json_web_token.h"
#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

const RateLimits& limits_of(const Read<Filters>& read) {
  EXPECT_EQ(read.errors, "");
  return *read.value.rate_limit;
}

TEST(RateLimit, one_limit_may_stand_without_a_list) {
  const auto read = read_filter("rate_limit: { rate: 100/s }");
  const RateLimit& limit = limits_of(read).limits.at(0);
  EXPECT_EQ(limit.name, "source_ip");
  EXPECT_EQ(limit.key, RateLimitKey::source_ip);
  EXPECT_EQ(limit.rate, (Rate{100, std::chrono::seconds(1)}));
  EXPECT_EQ(limit.burst, 100);
  EXPECT_EQ(limit.ipv6_prefix, 64);
  EXPECT_EQ(limit.max_keys, 100'000);
  EXPECT_FALSE(limit.fields);
  EXPECT_EQ(limit.policy, "\"source_ip\";q=100;w=1");
  EXPECT_NE(limit.limiter, nullptr);
}

TEST(RateLimit, each_kind_of_key_is_understood) {
  const auto read = read_filter(
      "rate_limit: [ { key: { header: X-Api-Key }, rate: 6000/m, burst: 20, fields: true },"
      " { key: { cookie: Session }, rate: 10/h }, { key: rule, rate: 5/s, name: all },"
      " { key: { claim: sub }, rate: 1/s }, { rate: 1/s, ipv6_prefix: 48, max_keys: 7 },"
      " { key: source_ip, rate: 9/h } ]");
  const auto& limits = limits_of(read).limits;
  ASSERT_EQ(limits.size(), 6);
  EXPECT_EQ(limits[0].key, RateLimitKey::header);
  EXPECT_EQ(limits[0].key_name, "x-api-key");
  EXPECT_EQ(limits[0].burst, 20);
  EXPECT_TRUE(limits[0].fields);
  EXPECT_EQ(limits[0].policy, "\"header\";q=6000;w=60");
  EXPECT_EQ(limits[1].key, RateLimitKey::cookie);
  EXPECT_EQ(limits[1].key_name, "Session");
  EXPECT_EQ(limits[1].rate, (Rate{10, std::chrono::hours(1)}));
  EXPECT_EQ(limits[2].key, RateLimitKey::rule);
  EXPECT_EQ(limits[2].name, "all");
  EXPECT_EQ(limits[2].max_keys, 1);
  EXPECT_EQ(limits[3].key, RateLimitKey::claim);
  EXPECT_EQ(limits[3].key_name, "sub");
  EXPECT_EQ(limits[4].ipv6_prefix, 48);
  EXPECT_EQ(limits[4].max_keys, 7);
  EXPECT_EQ(limits[5].name, "source_ip-2");
}

TEST(RateLimit, a_wrong_value_is_named_with_its_place) {
  struct Case {
    const char* filter;
    const char* told;
  };
  for (const Case& each : {
           Case{"rate_limit: []", "filters.rate_limit: must be one limit, or a list of 1 to 8"},
           Case{"rate_limit: 100/s", "filters.rate_limit: must be a mapping such as"},
           Case{"rate_limit: {}", "filters.rate_limit: needs a rate"},
           Case{"rate_limit: { rate: 100 }", "rate_limit.rate: must be a number of requests"},
           Case{"rate_limit: { rate: 0/s }", "rate_limit.rate: must be a number of requests"},
           Case{"rate_limit: { rate: 1/s, burst: 0 }", "rate_limit.burst: "},
           Case{"rate_limit: { rate: 1/s, burst: 1000001 }", "rate_limit.burst: "},
           Case{"rate_limit: { rate: 1/s, ipv6_prefix: 129 }", "rate_limit.ipv6_prefix: "},
           Case{"rate_limit: { rate: 1/s, max_keys: 10000001 }", "rate_limit.max_keys: "},
           Case{"rate_limit: { rate: 1/s, fields: maybe }", "rate_limit.fields: "},
           Case{"rate_limit: { rate: 1/s, key: path }", "rate_limit.key: must be source_ip, rule"},
           Case{"rate_limit: { rate: 1/s, key: { header: a, cookie: b } }", "one of them"},
           Case{"rate_limit: { rate: 1/s, key: { header: \"a b\" } }", "name of a header field"},
           Case{"rate_limit: { rate: 1/s, key: rule, max_keys: 5 }", "rate_limit.max_keys: is not"},
           Case{"rate_limit: { rate: 1/s, key: rule, ipv6_prefix: 64 }", "for key source_ip only"},
           Case{"rate_limit: { rate: 1/s, name: 'a\"b' }", "rate_limit.name: must be a name"},
           Case{"rate_limit: [ { rate: 1/s, name: a }, { rate: 2/s, name: a } ]",
                "rate_limit[1].name: another limit of this list is named 'a'"},
       }) {
    const std::string errors = read_filter(each.filter).errors;
    EXPECT_NE(errors.find(each.told), std::string::npos) << each.filter << " gives " << errors;
  }
}

std::optional<Table> build(const std::string& listener, const Table* former = nullptr) {
  config::Problems problems;
  const auto model = load_listener(listener, problems);
  EXPECT_TRUE(model) << text_of(problems);
  auto table = Table::build(model->listeners[0], groups(), problems, former);
  EXPECT_TRUE(table) << text_of(problems);
  return table;
}

std::string listener_with(const std::string& shared, const std::string& own) {
  return "    filters: { rate_limit: " + shared +
         " }\n    rules:\n      - priority: 1\n        name: one\n"
         "        conditions: [ { path_prefix: /a } ]\n" +
         (own.empty() ? "" : "        filters: { rate_limit: " + own + " }\n") +
         "        action: { forward: api }\n    default_action: { forward: api }\n";
}

const RateLimiter* limiter_of(const Table& table, std::size_t rule) {
  return table.rules()[rule].filters.rate_limit->limits[0].limiter.get();
}

TEST(RateLimit, rules_that_take_their_listeners_limit_share_its_buckets) {
  const auto table = build(listener_with("{ rate: 1/s }", ""));
  EXPECT_EQ(limiter_of(*table, 0), limiter_of(*table, 1));
}

TEST(RateLimit, the_buckets_live_on_over_a_reload_as_long_as_the_limit_is_the_same) {
  const auto table = build(listener_with("{ rate: 1/s }", "{ key: rule, rate: 5/s }"));
  const auto same =
      build(listener_with("{ rate: 1/s, fields: true }", "{ key: rule, rate: 5/s }"), &*table);
  EXPECT_EQ(limiter_of(*same, 0), limiter_of(*table, 0));
  EXPECT_EQ(limiter_of(*same, 1), limiter_of(*table, 1));
  const auto other =
      build(listener_with("{ rate: 1/s }", "{ key: rule, rate: 5/s, burst: 6 }"), &*table);
  EXPECT_NE(limiter_of(*other, 0), limiter_of(*table, 0));
  EXPECT_EQ(limiter_of(*other, 1), limiter_of(*table, 1));
}

TEST(RateLimit, a_rule_that_gets_a_limit_of_its_own_leaves_its_listeners_buckets_alone) {
  const auto table = build(listener_with("{ rate: 1/s }", ""));
  const auto next = build(listener_with("{ rate: 1/s }", "{ rate: 1/s }"), &*table);
  EXPECT_NE(limiter_of(*next, 0), limiter_of(*next, 1));
  EXPECT_EQ(limiter_of(*next, 1), limiter_of(*table, 1));
}

std::string two_rules_with(const std::string& shared, const std::string& own) {
  std::string text =
      shared.empty() ? "    rules:\n" : "    filters: { " + shared + " }\n    rules:\n";
  for (const char* name : {"one", "two"}) {
    text += "      - name: " + std::string(name) +
            "\n        priority: " + (name == std::string_view("one") ? "1" : "2") +
            "\n        conditions: [ { path: /" + name + " } ]\n" +
            (own.empty() ? "" : "        filters: { " + own + " }\n") +
            "        action: { forward: api }\n";
  }
  return text + "    default_action: { forward: api }\n";
}

TEST(RateLimit, a_limit_that_moves_from_the_listener_into_rules_becomes_one_of_each) {
  const std::string limit = "rate_limit: { rate: 1/s }";
  const auto table = build(two_rules_with(limit, ""));
  // Whether the listener has none any more, or another.
  for (const std::string& left : {std::string(), std::string("rate_limit: { rate: 9/s }")}) {
    const auto next = build(two_rules_with(left, limit), &*table);
    EXPECT_NE(limiter_of(*next, 0), limiter_of(*next, 1)) << left;
    EXPECT_NE(limiter_of(*next, 0), limiter_of(*table, 0)) << left;
    EXPECT_NE(limiter_of(*next, 1), limiter_of(*table, 0)) << left;
    const auto after = build(two_rules_with(left, limit), &*next);
    EXPECT_EQ(limiter_of(*after, 0), limiter_of(*next, 0)) << left;
    EXPECT_EQ(limiter_of(*after, 1), limiter_of(*next, 1)) << left;
  }
}

TEST(Compress, seats_that_move_from_the_listener_into_rules_become_those_of_each) {
  const auto table = build(two_rules_with("compress: { min_size: 1KiB }", ""));
  for (const char* own : {"compress: { min_size: 1KiB }", "compress: { min_size: 2KiB }"}) {
    const auto next = build(two_rules_with("", own), &*table);
    EXPECT_NE(next->rules()[0].filters.compress->active, next->rules()[1].filters.compress->active);
  }
}

// A limit by claim where these filters stand: the errors and warnings of the table.
std::string claims_told(const std::string& shared, const std::string& first,
                        const std::string& second) {
  const support::CertificateDirectory files;
  const std::string keys =
      files.write("keys.json", support::key_set({support::SigningKey::ed25519().jwk()}));
  std::string text = two_rules_with(shared, "OWN");
  for (const std::string& own : {first, second}) text.replace(text.find("OWN"), 3, own);
  for (std::size_t at = 0; (at = text.find("TOKEN")) != std::string::npos;) {
    text.replace(at, 5, "jwt: { jwks: { file: \"" + keys + "\" }, issuer: a, audience: b }");
  }
  config::Problems problems;
  const auto model = load_listener(text, problems);
  EXPECT_TRUE(model) << text_of(problems);
  const auto table = Table::build(model->listeners[0], groups(), problems, nullptr);
  EXPECT_EQ(table.has_value(), !problems.has_errors());
  return text_of(problems);
}

TEST(RateLimit, a_limit_by_claim_where_nobody_verifies_a_token_is_an_error) {
  const std::string limit = "rate_limit: { key: { claim: sub }, rate: 1/s }";
  const std::string limits = "rate_limit: [ { rate: 1/s }, { key: { claim: sub }, rate: 1/s } ]";
  const auto told = [](const std::string& text, std::string_view wanted) {
    EXPECT_NE(text.find(wanted), std::string::npos) << "told: " << text;
  };
  told(claims_told("", limit, "TOKEN"), "rules[0].filters.rate_limit: is by a claim, but the rule");
  told(claims_told("", "TOKEN", limits), "rules[1].filters.rate_limit: is by a claim, but the");
  told(claims_told("TOKEN", limit + ", jwt: off", ""), "rules[0].filters.rate_limit: is by a");
  told(claims_told(limits, "", "jwt: off"), "[0].filters.rate_limit: is by a claim, but no rule");
  // In some rules it does limit.
  told(claims_told(limits, "TOKEN", ""), "which limits nobody in the rule 'two'");
  told(claims_told(limit + ", TOKEN", "", "jwt: off"), "which limits nobody in the rule 'two'");
  EXPECT_EQ(claims_told("", limit + ", TOKEN", ""), "");
  EXPECT_EQ(claims_told("TOKEN", limit, ""), "");
  EXPECT_EQ(claims_told("TOKEN, " + limits, "", "rate_limit: off, jwt: off"), "");
}

}  // namespace
}  // namespace sluice::route::testing
