// What a rule has of filters: its own, else its listener's.
#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

constexpr const char* site = R"(
    filters: { ip_access: { allow: [10.0.0.0/8] } }
    rules:
      - priority: 1
        name: as-the-listener
        conditions: [ { path_prefix: /a } ]
        action: { forward: api }
      - priority: 2
        name: its-own
        conditions: [ { path_prefix: /b } ]
        filters: { ip_access: { allow: [192.0.2.0/24] } }
        action: { forward: api }
      - priority: 3
        name: without
        conditions: [ { path_prefix: /c } ]
        filters: { ip_access: off }
        action: { forward: api }
    default_action: { forward: api }
)";

TEST(Filters, a_rule_has_its_own_else_its_listeners_else_none) {
  config::Problems problems;
  const auto model = load_listener(site, problems);
  ASSERT_TRUE(model) << text_of(problems);
  const auto table = Table::build(model->listeners[0], groups(), problems);
  ASSERT_TRUE(table) << text_of(problems);
  const auto ten = base::IpAddress::parse("10.0.0.1").value();
  const auto& rules = table->rules();
  EXPECT_TRUE(rules[0].filters.ip_access->admits(ten));
  EXPECT_FALSE(rules[1].filters.ip_access->admits(ten));
  EXPECT_FALSE(rules[2].has_filters);
  EXPECT_TRUE(rules[3].filters.ip_access->admits(ten));  // the default rule
}

// An operator who comments all keys of a filter out must not be left without it silently.
TEST(Filters, a_kind_with_nothing_behind_it_is_never_nothing) {
  for (const std::string_view kind : filter_names()) {
    const auto read = read_filter(std::string(kind) + ":");
    EXPECT_TRUE(!read.errors.empty() || !read.value.is_empty()) << kind;
  }
}

TEST(Filters, an_unknown_kind_is_reported_with_the_nearest) {
  EXPECT_NE(read_filter("ip_acces: { allow: [10.0.0.0/8] }").errors.find("'ip_access'"),
            std::string::npos);
}

TEST(Filters, every_kind_has_its_test_and_reports_a_value_that_makes_no_sense_to_it) {
  for (const std::string_view kind : filter_names()) {
    EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(SLUICE_SOURCE_ROOT) /
                                        "tests/unit/route/filters" /
                                        (std::string(kind) + "_test.cc")))
        << kind;
    EXPECT_NE(read_filter(std::string(kind) + ": { surely-unknown: b }").errors, "") << kind;
  }
}

}  // namespace
}  // namespace sluice::route::testing
