#include "route/coverage.h"
#include "unit/route/conditions_support.h"
#include "unit/route/table/random_site.h"

namespace sluice::route::testing {
namespace {

std::string warnings_of(const std::string& first, const std::string& second) {
  config::Problems problems;
  const auto model = load_listener(
      "    rules:\n"
      "      - { name: one, priority: 1, conditions: [ " +
          first +
          " ], action: { forward: api } }\n"
          "      - { name: two, priority: 2, conditions: [ " +
          second + " ], action: { forward: api } }\n",
      problems);
  std::optional<Table> table;
  if (model) table = Table::build(model->listeners[0], groups(), problems);
  EXPECT_TRUE(table) << text_of(problems);
  return text_of(problems);
}

TEST(UnreachableRule, one_behind_a_wider_one_is_warned_about_with_both_places) {
  const std::string warnings = warnings_of("{ path_prefix: / }", "{ path_prefix: /api }");
  EXPECT_TRUE(has(warnings,
                  "test.yaml:6:9: warning: listeners[0].rules[1]: rule 'two' can never "
                  "match: rule 'one' (test.yaml:5:9)"))
      << warnings;
}

TEST(UnreachableRule, conditions_that_are_certainly_wider_are_known) {
  const std::vector<std::pair<const char*, const char*>> rows{
      {"{ path: /a }", "{ path: /a }"},
      {"{ path: [/b, /a] }", "{ path: /a }"},
      {"{ path: \"/a*\" }", "{ path: [/a, \"/ab*\"] }"},
      {"{ path: \"/a*\" }", "{ path_prefix: /a }"},
      {"{ path: \"*\" }", "{ path_regex: x }"},
      {"{ path_prefix: /a }", "{ path_prefix: /a/b }"},
      {"{ path_prefix: /a }", "{ path: \"/a/*.png\" }"},
      {"{ path_prefix: /a }", "{ path_regex: \"^/a/[0-9]+$\" }"},
      {"{ path_regex: \"[0-9]$\" }", "{ path: /a1 }"},
      {"{ path_regex: x }", "{ path_regex: x }, { method: GET }"},
      {"{ host: \"*.test\" }", "{ host: A.test }, { path: /x }"},
      {"{ source_ip: 10.0.0.0/8 }", "{ source_ip: [10.1.0.0/16, 10.2.0.1] }"},
      {"{ header: { name: X } }", "{ header: { name: x, regex: a } }"},
      {"{ query: { value: \"*\" } }", "{ query: { key: a } }"},
      {"{ query: { key: \"a*\", value: \"1\" } }", "{ query: { key: AB, value: \"1\" } }"},
      {"{ cookie: { name: c } }", "{ cookie: { name: c, values: x } }"},
      {"{ not: { path: /a } }", "{ path: /b }"},
      {"{ not: { path: /a } }", "{ not: { path_prefix: /a } }"},
      {"{ any: [ { path: /a }, { method: GET } ] }", "{ method: GET }, { host: a } "},
      {"{ path: [/a, /b] }", "{ any: [ { path: /a }, { path: /b } ] }"},
      {"{ client_certificate: { dns: \"*\" } }", "{ client_certificate: { dns: a, issuer: b } }"},
  };
  for (const auto& [wide, narrow] : rows) {
    EXPECT_TRUE(has(warnings_of(wide, narrow), "can never match")) << wide << "  " << narrow;
  }
}

TEST(UnreachableRule, conditions_that_leave_something_over_are_not_warned_about) {
  const std::vector<std::pair<const char*, const char*>> rows{
      {"{ path_prefix: /api }", "{ path_prefix: / }"},
      {"{ path_prefix: /api }", "{ path: \"/api*\" }"},
      {"{ path_prefix: / }", "{ path: \"*\" }"},
      {"{ path_prefix: / }, { method: GET }", "{ path_prefix: /api }"},
      {"{ host: \"*.example.com\" }", "{ host: example.com }"},
      {"{ path: \"/?\" }", "{ path: \"/*\" }"},
      {"{ header: { name: X, regex: \"^beta$\" } }", "{ header: { name: X, values: beta } }"},
      {"{ header: { name: X } }", "{ header: { name: Y } }"},
      {"{ query: { value: a } }", "{ query: { value: \"?\" } }"},
      {"{ query: { value: \"\" } }", "{ query: { key: a, value: \"\" } }"},
      {"{ cookie: { name: c, values: x } }", "{ cookie: { name: C, values: x } }"},
      {"{ source_ip: 10.0.0.0/8 }", "{ source_ip: [10.1.0.0/16, 11.0.0.0/8] }"},
      {"{ not: { header: { name: X, values: a } } }", "{ header: { name: X, values: b } }"},
  };
  for (const auto& [wide, narrow] : rows) {
    EXPECT_EQ(warnings_of(wide, narrow), "") << wide << "  " << narrow;
  }
}

TEST(UnreachableRule, conditions_that_never_hold_together_are_warned_about_at_their_place) {
  for (const char* conditions :
       {"{ path: /a }, { path: /b }", "{ path_prefix: /a }, { path: \"/b*\" }",
        "{ path_prefix: /a }, { path_prefix: /b }", "{ host: a }, { host: \"*.b\" }",
        "{ method: GET }, { method: POST }", "{ source_ip: 10.0.0.0/8 }, { source_ip: 11.0.0.1 }",
        "{ path_prefix: /a }, { not: { path_prefix: / } }", "{ path_regex: \"^/a\" }, { path: /b }",
        "{ any: [ { path: /a }, { path: /b } ] }, { path: /c }"}) {
    const std::string warnings = warnings_of("{ path: /other }", conditions);
    EXPECT_TRUE(has(warnings, "rules[1].conditions[1]")) << conditions << '\n' << warnings;
    EXPECT_TRUE(has(warnings, "never holds together")) << conditions;
  }
  for (const char* conditions :
       {"{ path_prefix: /a }, { path: \"/a*\" }", "{ path: \"*a\" }, { path: \"/b*\" }",
        "{ header: { name: X, values: a } }, { header: { name: X, values: b } }",
        "{ query: { key: a, value: b } }, { query: { key: a, value: c } }",
        "{ path_prefix: /a }, { not: { path_prefix: /a/b } }"}) {
    EXPECT_EQ(warnings_of("{ path: /other }", conditions), "") << conditions;
  }
}

// What is called covered or excluded is so for each of many requests, and the quick look never
// keeps anything from being found.
TEST(UnreachableRule, what_is_said_of_two_rules_is_true_of_every_request) {
  RandomSite site(5);
  std::size_t covered = 0;
  std::size_t excluded = 0;
  std::vector<RandomSite::Sent> sent;
  for (int i = 0; i < 400; ++i) sent.push_back(site.request());
  for (int round = 0; round < 60; ++round) {
    config::Problems problems;
    const auto model = load_listener(site.listener(24), problems);
    ASSERT_TRUE(model) << text_of(problems);
    std::vector<Conditions> rules;
    for (const config::Rule& rule : model->listeners[0].rules) {
      Conditions& conditions = rules.emplace_back();
      for (const auto& node : rule.conditions) {
        conditions.push_back(make_condition(node, problems));
        ASSERT_NE(conditions.back(), nullptr) << text_of(problems);
      }
    }
    std::vector<std::vector<bool>> holds(rules.size());
    for (const auto& each : sent) {
      const Presented request(each);
      for (std::size_t i = 0; i < rules.size(); ++i) {
        holds[i].push_back(std::ranges::all_of(
            rules[i], [&](const auto& condition) { return condition->matches(request.input); }));
      }
    }
    for (std::size_t a = 0; a < rules.size(); ++a) {
      for (std::size_t b = 0; b < rules.size(); ++b) {
        const bool says_covered = covers(rules[a], rules[b]);
        const bool says_excluded = excludes(*rules[a].front(), *rules[b].front());
        covered += a != b && says_covered;
        excluded += says_excluded;
        if (says_covered) {
          EXPECT_EQ(coverage_marks(rules[a]).needs & ~coverage_marks(rules[b]).has, 0u);
        }
        for (std::size_t i = 0; i < sent.size(); ++i) {
          if (says_covered && holds[b][i]) {
            ASSERT_TRUE(holds[a][i])
                << rules[a].front()->text() << " / " << rules[b].front()->text();
          }
          if (says_excluded) {
            ASSERT_FALSE(holds[a][i] && holds[b][i])
                << rules[a].front()->text() << " / " << rules[b].front()->text();
          }
        }
      }
    }
  }
  EXPECT_GT(covered, 100u);
  EXPECT_GT(excluded, 100u);
}

}  // namespace
}  // namespace sluice::route::testing
