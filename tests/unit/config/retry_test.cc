#include <gtest/gtest.h>

#include <chrono>

#include "unit/config/support.h"

namespace sluice::config {
namespace {

using namespace std::chrono_literals;
using test::joined;
using test::load_group;

Retry retry_of(const std::string& value) {
  const auto loaded = load_group("    retry: " + value + "\n");
  EXPECT_EQ(joined(loaded), "") << value;
  return loaded.model ? loaded.model->target_groups.at(0).retry : Retry{};
}

std::string errors_of(const std::string& value) {
  return joined(load_group("    retry: " + value + "\n"));
}

const std::string reasons_allowed =
    ": must be connect_failure, reset, timeout, malformed or a status from 400 to 599, not ";

TEST(RetrySettings, without_the_section_two_more_tries_are_made_for_failures_of_the_connection) {
  const auto loaded = load_group("");
  ASSERT_TRUE(loaded.model) << joined(loaded);
  for (const Retry& retry : {loaded.model->target_groups.at(0).retry, retry_of("{}")}) {
    EXPECT_EQ(retry.attempts, 2U);
    EXPECT_TRUE(retry.connect_failure && retry.reset && retry.timeout && retry.malformed);
    EXPECT_TRUE(retry.statuses.empty());
    EXPECT_EQ(retry.body_buffer, 64 * kibibyte);
    EXPECT_EQ(retry.budget_percent, 20U);
    EXPECT_EQ(retry.budget_burst, 100U);
    EXPECT_EQ(retry.hedge_delay, 0ms);
  }
}

TEST(RetrySettings, every_key_arrives_in_its_field) {
  const Retry retry = retry_of(
      "{ attempts: 3, on: [reset, 502, 503], body_buffer: 1MiB,"
      " budget: { percent: 30, burst: 40 }, hedge_delay: 50ms }");
  EXPECT_EQ(retry.attempts, 3U);
  EXPECT_FALSE(retry.connect_failure);
  EXPECT_TRUE(retry.reset);
  EXPECT_FALSE(retry.timeout);
  EXPECT_FALSE(retry.malformed);
  EXPECT_EQ(retry.statuses, (std::vector<std::uint16_t>{502, 503}));
  EXPECT_EQ(retry.body_buffer, mebibyte);
  EXPECT_EQ(retry.budget_percent, 30U);
  EXPECT_EQ(retry.budget_burst, 40U);
  EXPECT_EQ(retry.hedge_delay, 50ms);
}

TEST(RetrySettings, a_list_of_reasons_takes_the_place_of_the_default_one) {
  const Retry none = retry_of("{ on: [] }");
  EXPECT_FALSE(none.connect_failure || none.reset || none.timeout || none.malformed);
  const Retry all = retry_of("{ on: [connect_failure, reset, timeout, malformed] }");
  EXPECT_TRUE(all.connect_failure && all.reset && all.timeout && all.malformed);
  EXPECT_EQ(retry_of("{ on: [400, 599] }").statuses, (std::vector<std::uint16_t>{400, 599}));
}

TEST(RetrySettings, a_part_of_a_budget_leaves_the_other_part_as_it_is) {
  EXPECT_EQ(retry_of("{ budget: { percent: 0 } }").budget_burst, 100U);
  EXPECT_EQ(retry_of("{ budget: { burst: 0 } }").budget_percent, 20U);
}

TEST(RetrySettings, reasons_that_are_none_are_reported_each) {
  EXPECT_EQ(errors_of("{ on: [399, 600, 5xx, resets, [502], reset, reset, 0502, 502] }"),
            "f:4:19: target_groups[0].retry.on[0]" + reasons_allowed +
                "'399'\n"
                "f:4:24: target_groups[0].retry.on[1]" +
                reasons_allowed +
                "'600'\n"
                "f:4:29: target_groups[0].retry.on[2]" +
                reasons_allowed +
                "'5xx'\n"
                "f:4:34: target_groups[0].retry.on[3]" +
                reasons_allowed +
                "'resets'\n"
                "f:4:42: target_groups[0].retry.on[4]: must be text, not a list\n"
                "f:4:56: target_groups[0].retry.on[6]: duplicate reason 'reset'; first at line 4\n"
                "f:4:69: target_groups[0].retry.on[8]: duplicate reason '502'; first at line 4\n");
  EXPECT_EQ(errors_of("{ on: reset }"),
            "f:4:18: target_groups[0].retry.on: must be a list, not 'reset'\n");
}

TEST(RetrySettings, all_errors_are_reported_at_once) {
  EXPECT_EQ(errors_of("{ attempts: 11, bodybuffer: 1, budget: { percents: 1, burst: -1 } }"),
            "f:4:24: target_groups[0].retry.attempts: must be a whole number from 0 to 10, not "
            "'11'\n"
            "f:4:28: target_groups[0].retry.bodybuffer: unknown key; did you mean 'body_buffer'?\n"
            "f:4:53: target_groups[0].retry.budget.percents: unknown key; did you mean 'percent'?\n"
            "f:4:73: target_groups[0].retry.budget.burst: must be a whole number from 0 to "
            "1000000, not '-1'\n");
  EXPECT_EQ(errors_of("off"), "f:4:12: target_groups[0].retry: must be a mapping, not 'off'\n");
  EXPECT_EQ(errors_of("{ budget: 20 }"),
            "f:4:22: target_groups[0].retry.budget: must be a mapping, not '20'\n");
}

TEST(RetrySettings, hedging_without_a_second_try_is_refused) {
  EXPECT_EQ(errors_of("{ attempts: 0, hedge_delay: 10ms }"),
            "f:4:40: target_groups[0].retry.hedge_delay: needs attempts of at least 1: the second "
            "request counts as one\n");
  EXPECT_EQ(errors_of("{ attempts: 0, hedge_delay: 0 }"), "");
}

TEST(RetrySettings, hedging_begins_before_a_try_ends) {
  const auto with = [](const char* per_try) {
    return joined(load_group("    retry: { hedge_delay: 1s }\n    timeouts: { per_try: " +
                             std::string(per_try) + " }\n"));
  };
  EXPECT_EQ(with("1s"),
            "f:4:27: target_groups[0].retry.hedge_delay: must be shorter than timeouts.per_try "
            "(1s)\n");
  EXPECT_EQ(with("1001ms"), "");
  EXPECT_EQ(with("0"), "");
}

// The value of `retry` in a rule, over the defaults of a group.
std::string rule_yaml(const std::string& keys) {
  return "listeners:\n  - name: web\n    bind: \"127.0.0.1:1\"\n    rules:\n"
         "      - priority: 1\n        conditions: [ { path: / } ]\n"
         "        action: { fixed_response: {} }\n" +
         keys;
}

Retry over_defaults(const std::string& value) {
  const auto loaded = test::load_yaml(rule_yaml("        retry: " + value + "\n"));
  EXPECT_EQ(joined(loaded), "") << value;
  return loaded.model ? loaded.model->listeners.at(0).rules.at(0).retry.over({}) : Retry{};
}

TEST(RetryOfARule, overrides_what_it_names_and_nothing_else) {
  EXPECT_EQ(over_defaults("{}"), Retry{});
  Retry expected;
  expected.attempts = 0;
  EXPECT_EQ(over_defaults("{ attempts: 0 }"), expected);
  expected = {};
  expected.body_buffer = mebibyte;
  EXPECT_EQ(over_defaults("{ body_buffer: 1MiB }"), expected);
  expected = {};
  expected.hedge_delay = 20ms;
  EXPECT_EQ(over_defaults("{ hedge_delay: 20ms }"), expected);
  expected = {};
  expected.connect_failure = expected.timeout = expected.malformed = false;
  expected.statuses = {503};
  EXPECT_EQ(over_defaults("{ on: [reset, 503] }"), expected);
}

TEST(RetryOfARule, even_the_default_overrides_what_the_group_has) {
  Retry group;
  group.attempts = 7;
  group.timeout = false;
  group.statuses = {502};
  group.budget_percent = 3;
  const auto loaded = test::load_yaml(rule_yaml("        retry: { attempts: 2, on: [timeout] }\n"));
  ASSERT_TRUE(loaded.model) << joined(loaded);
  const RetryOverrides& rule = loaded.model->listeners.at(0).rules.at(0).retry;
  EXPECT_TRUE(rule.is_any());
  const Retry merged = rule.over(group);
  EXPECT_EQ(merged.attempts, 2U);
  EXPECT_TRUE(merged.timeout);
  EXPECT_FALSE(merged.reset);
  EXPECT_TRUE(merged.statuses.empty());
  EXPECT_EQ(merged.budget_percent, 3U);
  const auto without = test::load_yaml(rule_yaml(""));
  ASSERT_TRUE(without.model) << joined(without);
  EXPECT_FALSE(without.model->listeners.at(0).rules.at(0).retry.is_any());
}

TEST(RetryOfARule, mistakes_are_reported_as_for_a_group_and_the_budget_is_none_of_its_keys) {
  const auto errors = [](const std::string& keys) {
    return joined(test::load_yaml(rule_yaml(keys)));
  };
  EXPECT_EQ(
      errors("        retry: { budget: { percent: 1 } }\n"),
      "f:8:26: listeners[0].rules[0].retry.budget: belongs to the target group: it bounds the "
      "retries of all rules together\n");
  EXPECT_NE(errors("        retry: { attempts: 11 }\n")
                .find("retry.attempts: must be a whole number "
                      "from 0 to 10, not '11'"),
            std::string::npos);
  EXPECT_NE(errors("        retry: { atempts: 1 }\n").find("unknown key; did you mean 'attempts'?"),
            std::string::npos);
  EXPECT_NE(errors("        retry: { hedge_delay: 2s }\n        timeouts: { per_try: 1s }\n")
                .find("retry.hedge_delay: must be shorter than timeouts.per_try"),
            std::string::npos);
}

TEST(AccessLogOfARule, is_on_unless_it_says_errors_or_off) {
  const auto logged = [](const std::string& keys) {
    const auto loaded = test::load_yaml(rule_yaml(keys));
    EXPECT_TRUE(loaded.model) << joined(loaded);
    return loaded.model->listeners.at(0).rules.at(0).logged;
  };
  EXPECT_EQ(logged(""), LoggedExchanges::all);
  EXPECT_EQ(logged("        access_log: on\n"), LoggedExchanges::all);
  EXPECT_EQ(logged("        access_log: errors\n"), LoggedExchanges::errors);
  EXPECT_EQ(logged("        access_log: off\n"), LoggedExchanges::none);
  EXPECT_NE(joined(test::load_yaml(rule_yaml("        access_log: never\n")))
                .find("rules[0].access_log: must be on, errors or off, not 'never'"),
            std::string::npos)
      << joined(test::load_yaml(rule_yaml("        access_log: never\n")));
}

}  // namespace
}  // namespace sluice::config
