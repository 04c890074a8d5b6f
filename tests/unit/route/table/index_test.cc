// The index agrees with trying all rules in their order, whatever the rules and the requests.
#include "route/table/index.h"

#include <algorithm>

#include "unit/route/table/random_site.h"

namespace sluice::route::testing {
namespace {

std::optional<Table> build(const std::string& listener, std::string& errors) {
  config::Problems problems;
  const auto model = load_listener(listener, problems);
  std::optional<Table> table;
  if (model) table = Table::build(model->listeners[0], groups(), problems);
  if (!table) errors = text_of(problems);
  return table;
}

bool all_hold(const Rule& rule, const MatchInput& input) {
  return std::ranges::all_of(rule.conditions,
                             [&](const auto& condition) { return condition->matches(input); });
}

const Rule& linear(const Table& table, const MatchInput& input) {
  return *std::ranges::find_if(table.rules(),
                               [&](const Rule& rule) { return all_hold(rule, input); });
}

// Compares `requests` requests with one table of `rules`. How many of them a rule, other than the
// default rule, decided.
std::size_t compare(RandomSite& site, std::size_t rules, std::size_t requests) {
  const std::string listener = site.listener(rules);
  std::string errors;
  const auto table = build(listener, errors);
  EXPECT_TRUE(table.has_value()) << errors << listener;
  if (!table) return 0;
  std::size_t decided = 0;
  for (std::size_t i = 0; i < requests; ++i) {
    const RandomSite::Sent sent = site.request();
    const Presented request(sent);
    const Rule& expected = linear(*table, request.input);
    const Rule& found = table->match(request.input);
    EXPECT_EQ(found.name, expected.name)
        << listener << sent.host << ' ' << sent.path << '?' << sent.query << ' ' << sent.client;
    if (found.name != expected.name) return decided;
    decided += expected.priority != 0;
  }
  return decided;
}

TEST(TableIndex, it_agrees_with_trying_all_rules_over_thousands_of_tables) {
  RandomSite site(1);
  std::size_t decided = 0;
  for (int tables = 0; tables < 2'000 && !::testing::Test::HasFailure(); ++tables) {
    decided += compare(site, 1 + site.below(12), 20);
  }
  EXPECT_GT(decided, 10'000u);  // or the test would prove little
}

// Where many rules share anchors and the index has further levels.
TEST(TableIndex, it_agrees_with_trying_all_rules_in_large_tables) {
  RandomSite site(2);
  std::size_t decided = 0;
  for (int tables = 0; tables < 20 && !::testing::Test::HasFailure(); ++tables) {
    decided += compare(site, 300, 200);
  }
  EXPECT_GT(decided, 1'000u);
}

std::string rule_text(std::size_t priority, const std::string& conditions) {
  return "      - { priority: " + std::to_string(priority) + ", conditions: [ " + conditions +
         " ], action: { forward: api } }\n";
}

// How many rules are looked at for a request; the index is asked directly, with the same ways.
std::size_t tried(const Table& table, const MatchInput& input) {
  std::vector<std::vector<Anchors>> ways;
  for (const Rule& rule : table.rules()) {
    auto& own = ways.emplace_back();
    for (const auto& condition : rule.conditions) {
      for (Anchors& way : condition->anchors()) own.push_back(std::move(way));
    }
  }
  std::size_t count = 0;
  (void)TableIndex(ways).first(input, [&](std::size_t) {
    ++count;
    return false;
  });
  return count;
}

TEST(TableIndex, rules_that_share_their_host_are_told_apart_by_their_paths) {
  std::string listener = "    rules:\n";
  for (std::size_t i = 0; i < 900; ++i) {
    listener += rule_text(i + 1, "{ host: h" + std::to_string(i / 30) +
                                     ".test }, { path_prefix: /p" + std::to_string(i % 30) + " }");
  }
  std::string errors;
  const auto table = build(listener, errors);
  ASSERT_TRUE(table) << errors;
  Request request("/p17/x");
  request.head.host = "H21.test:80";
  EXPECT_EQ(table->match(request.input).priority, 21u * 30 + 17 + 1);
  EXPECT_LE(tried(*table, request.input), 2u + 1);  // the rule, and the default rule
}

TEST(TableIndex, expressions_with_the_same_beginning_are_searched_for_together) {
  std::string listener = "    rules:\n";
  for (std::size_t i = 0; i < 200; ++i) {
    listener += rule_text(i + 1, "{ path_regex: \"^/items/[a-z]+/" + std::to_string(i) + "$\" }");
  }
  std::string errors;
  const auto table = build(listener, errors);
  ASSERT_TRUE(table) << errors;
  const Request request("/items/abc/150");
  EXPECT_EQ(table->match(request.input).priority, 151u);
  EXPECT_LE(tried(*table, request.input), 2u);
}

TEST(TableIndex, a_request_that_has_something_of_very_many_rules_finds_the_first) {
  std::string listener = "    rules:\n";
  std::string query;
  for (std::size_t i = 0; i < 300; ++i) {
    listener += rule_text(
        i + 1, "{ query: { key: k" + std::to_string(i) + ", value: \"1\" } }, { path: /x }");
    query += "&k" + std::to_string(299 - i) + "=1";
  }
  std::string errors;
  const auto table = build(listener, errors);
  ASSERT_TRUE(table) << errors;
  Request request("/x");
  request.head.query = query;
  EXPECT_EQ(table->match(request.input).priority, 1u);
  Request elsewhere("/y");
  elsewhere.head.query = query;
  EXPECT_EQ(table->match(elsewhere.input).name, "default");
}

TEST(TableIndex, a_text_too_long_for_a_set_of_expressions_is_searched_for_each) {
  std::string listener = "    rules:\n";
  for (std::size_t i = 0; i < 20; ++i) {
    listener += rule_text(i + 1, "{ path_regex: \"x" + std::to_string(i) + "$\" }");
  }
  std::string errors;
  const auto table = build(listener, errors);
  ASSERT_TRUE(table) << errors;
  const std::string path = "/" + std::string(6'000, 'a') + "x12";
  EXPECT_EQ(table->match(Request(path).input).priority, 13u);
}

}  // namespace
}  // namespace sluice::route::testing
