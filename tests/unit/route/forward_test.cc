#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

TEST(ForwardAction, a_group_is_found_by_its_name) {
  const auto action = read_action("forward: admin");
  ASSERT_TRUE(action.value) << action.errors;
  const auto* forward = std::get_if<Forward>(&*action.value);
  ASSERT_NE(forward, nullptr);
  EXPECT_EQ(forward->groups.at(0).group, 1u);
  EXPECT_EQ(forward->groups.at(0).name, "admin");
}

TEST(ForwardAction, an_unknown_group_is_reported_with_the_nearest_one) {
  const auto action = read_action("forward: fronted");
  EXPECT_FALSE(action.value);
  EXPECT_NE(action.errors.find("no target group 'fronted'; did you mean 'frontend'?"),
            std::string::npos)
      << action.errors;
  EXPECT_NE(action.errors.find("test.yaml:4:"), std::string::npos) << action.errors;
}

TEST(ForwardAction, an_unknown_group_like_none_is_reported_with_all) {
  const auto action = read_action("forward: zzzzzzzz");
  EXPECT_FALSE(action.value);
  EXPECT_NE(action.errors.find("there are: api, admin, frontend"), std::string::npos)
      << action.errors;
}

std::optional<Forward> weighted(const std::string& keys) {
  const auto action = read_action("forward: { " + keys + " }");
  EXPECT_EQ(action.errors, "") << keys;
  if (!action.value || !std::holds_alternative<Forward>(*action.value)) return std::nullopt;
  return std::get<Forward>(*action.value);
}

// The errors behind the path of the action, each in a line.
std::string weighted_errors(const std::string& keys) {
  const auto action = read_action("forward: { " + keys + " }");
  EXPECT_FALSE(action.value && action.errors.empty()) << keys;
  const std::string path = "listeners[0].default_action.forward";
  std::string out;
  std::string_view rest = action.errors;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n') + 1);
    rest.remove_prefix(line.size());
    const std::size_t at = line.find(path);
    out += line.substr(at == std::string_view::npos ? 0 : at + path.size());
  }
  return out;
}

TEST(ForwardAction, several_groups_have_a_weight_each_and_1_where_none_is_said) {
  const auto forward = weighted(
      "groups: [ { group: api, weight: 90 }, { group: admin, weight: 0 }, { group: frontend } ]");
  ASSERT_TRUE(forward);
  ASSERT_EQ(forward->groups.size(), 3U);
  EXPECT_EQ(forward->groups[0].group, 0U);
  EXPECT_EQ(forward->groups[0].name, "api");
  EXPECT_EQ(forward->groups[0].weight, 90U);
  EXPECT_EQ(forward->groups[1].weight, 0U);
  EXPECT_EQ(forward->groups[2].weight, 1U);
  EXPECT_EQ(forward->groups[2].group, 2U);
  EXPECT_FALSE(forward->stickiness);
  EXPECT_FALSE(forward->fallback);
  EXPECT_EQ(forward->find("frontend"), 2U);
  EXPECT_EQ(forward->find("nobody"), std::nullopt);
}

TEST(ForwardAction, weights_end_where_albs_do) {
  for (const char* weight : {"1", "999"}) {
    EXPECT_TRUE(weighted("groups: [ { group: api, weight: " + std::string(weight) + " } ]"));
  }
  for (const char* weight : {"1000", "-1", "1.5", "heavy"}) {
    EXPECT_EQ(weighted_errors("groups: [ { group: api, weight: " + std::string(weight) + " } ]"),
              ".groups[0].weight: must be a whole number from 0 to 999, not '" +
                  std::string(weight) + "'\n");
  }
}

TEST(ForwardAction, what_is_no_list_of_groups_is_reported_exactly) {
  const std::string missing =
      ".groups: missing; it must be a list such as [ { group: blue, weight: 90 }, { group: green, "
      "weight: 10 } ]\n";
  const std::string list =
      ".groups: must be a list of at least one group such as { group: blue, weight: 90 }, not ";
  const std::string zero =
      ".groups: must have a group with a weight from 1 to 999: with 0 alone nobody takes new "
      "sessions\n";
  EXPECT_EQ(weighted_errors("fallback: true"), missing);
  EXPECT_EQ(weighted_errors("groups: []"), list + "an empty list\n");
  EXPECT_EQ(weighted_errors("groups: api"), list + "'api'\n");
  EXPECT_EQ(weighted_errors("groups: [ { group: api, weight: 0 } ]"), zero);
  EXPECT_EQ(weighted_errors("groups: [ { group: api, weight: 0 }, { group: admin, weight: 0 } ]"),
            zero);
  EXPECT_EQ(weighted_errors("groups: [ api ]"),
            ".groups[0]: must be a mapping such as { group: blue, weight: 90 }, not 'api'\n");
  EXPECT_EQ(weighted_errors("groups: [ { weight: 1 } ]"),
            ".groups[0].group: missing; it must be the name of a target group\n");
}

TEST(ForwardAction, groups_that_are_unknown_or_named_twice_and_unknown_keys_are_reported_each) {
  EXPECT_EQ(
      weighted_errors("groups: [ { group: apy, wieght: 1 }, { group: api }, { group: api } ]"),
      ".groups[0].group: no target group 'apy'; did you mean 'api'?\n"
      ".groups[0].wieght: unknown key; did you mean 'weight'?\n"
      ".groups[2].group: duplicate target group 'api'; its weight stands in one place\n");
  EXPECT_EQ(weighted_errors("groups: [ { group: api } ], falback: true"),
            ".falback: unknown key; did you mean 'fallback'?\n");
}

TEST(ForwardAction, a_list_in_the_place_of_the_action_is_refused_with_what_is_meant) {
  const auto action = read_action("forward: [ { group: api, weight: 1 } ]");
  EXPECT_FALSE(action.value);
  EXPECT_NE(action.errors.find("forward: must be the name of a target group, or a mapping such as "
                               "{ groups: [ { group: blue, weight: 90 }, "),
            std::string::npos)
      << action.errors;
}

TEST(ForwardAction, stickiness_has_the_settings_of_a_cookie) {
  const auto plain = weighted("groups: [ { group: api } ], stickiness: {}");
  ASSERT_TRUE(plain && plain->stickiness);
  EXPECT_EQ(plain->stickiness->cookie.duration, std::chrono::hours(24));
  EXPECT_EQ(plain->stickiness->cookie.cookie_name, "");
  EXPECT_FALSE(plain->stickiness->cors);
  const auto full = weighted(
      "groups: [ { group: api } ], fallback: true, stickiness: { duration: 1h, cookie_name: lb, "
      "secure: always, http_only: false, same_site: none, path: /x, domain: example.com, "
      "max_age: false, cors: true }");
  ASSERT_TRUE(full && full->stickiness);
  EXPECT_TRUE(full->fallback);
  const config::Stickiness& cookie = full->stickiness->cookie;
  EXPECT_EQ(cookie.duration, std::chrono::hours(1));
  EXPECT_EQ(cookie.cookie_name, "lb");
  EXPECT_EQ(cookie.secure, config::CookieSecure::always);
  EXPECT_FALSE(cookie.http_only);
  EXPECT_EQ(cookie.same_site, config::SameSite::none);
  EXPECT_EQ(cookie.path, "/x");
  EXPECT_EQ(cookie.domain, "example.com");
  EXPECT_FALSE(cookie.max_age);
  EXPECT_TRUE(full->stickiness->cors);
}

TEST(ForwardAction, stickiness_ends_where_albs_does_and_knows_no_other_keys) {
  const auto sticky = [](const std::string& keys) {
    return "groups: [ { group: api } ], stickiness: { " + keys + " }";
  };
  EXPECT_TRUE(weighted(sticky("duration: 1s")));
  EXPECT_TRUE(weighted(sticky("duration: 7d")));
  for (const char* duration : {"0", "999ms", "604801s"}) {
    EXPECT_NE(weighted_errors(sticky("duration: " + std::string(duration)))
                  .find(".stickiness.duration: must be a duration from 1s to 7d"),
              std::string::npos)
        << weighted_errors(sticky("duration: " + std::string(duration)));
  }
  EXPECT_NE(weighted_errors(sticky("cookie_name: \"a b\"")).find("must be the name of a cookie"),
            std::string::npos);
  EXPECT_NE(weighted_errors(sticky("type: lb_cookie")).find(".stickiness.type: unknown key"),
            std::string::npos);
  EXPECT_NE(
      weighted_errors(sticky("same_site: none, secure: never")).find("must be auto or always"),
      std::string::npos);
}

TEST(ForwardAction, a_cookie_without_a_name_is_named_after_listener_and_rule) {
  const auto named = [](std::string_view listener, std::string_view rule,
                        const std::string& keys = "") {
    auto forward = weighted("groups: [ { group: api } ], stickiness: { " + keys + " }");
    name_group_cookie(*forward, listener, rule);
    return forward->stickiness->cookie.cookie_name;
  };
  EXPECT_TRUE(named("web", "default").starts_with("SLUICETG-"));
  EXPECT_EQ(named("web", "default").size(), 9U + 16U);
  EXPECT_EQ(named("web", "default"), named("web", "default"));
  EXPECT_NE(named("web", "default"), named("web", "api"));
  EXPECT_NE(named("web", "default"), named("secure", "default"));
  EXPECT_EQ(named("web", "default", "cookie_name: lb"), "lb");
}

TEST(ForwardAction, groups_with_sessions_of_their_own_ask_for_stickiness_of_the_rule) {
  const GroupLookup sticky({"api", "admin", "frontend"}, {false, true, false});
  const auto warnings = [&](const std::string& keys) {
    config::Problems problems;
    const auto model =
        load_listener("    default_action: { forward: { " + keys + " } }\n", problems);
    EXPECT_TRUE(make_action(*model->listeners[0].default_action, sticky, problems)) << keys;
    EXPECT_FALSE(problems.has_errors());
    return text_of(problems);
  };
  EXPECT_NE(warnings("groups: [ { group: api }, { group: admin } ]")
                .find("target group 'admin' has stickiness"),
            std::string::npos);
  EXPECT_EQ(warnings("groups: [ { group: api }, { group: admin } ], stickiness: {}"), "");
  EXPECT_EQ(warnings("groups: [ { group: admin } ]"), "");
  EXPECT_EQ(warnings("groups: [ { group: api }, { group: frontend } ]"), "");
}

// Over evenly spread bits each group gets its part, to within one draw.
TEST(ForwardAction, groups_are_drawn_by_their_weights) {
  const auto forward = weighted(
      "groups: [ { group: api, weight: 90 }, { group: admin, weight: 0 }, "
      "{ group: frontend, weight: 10 } ]");
  ASSERT_TRUE(forward);
  std::array<std::size_t, 3> drawn{};
  constexpr std::uint64_t draws = 1000;
  for (std::uint64_t i = 0; i < draws; ++i) ++drawn.at(forward->draw(i * (UINT64_MAX / draws)));
  EXPECT_NEAR(static_cast<double>(drawn[0]), 900, 1);
  EXPECT_EQ(drawn[1], 0U);
  EXPECT_NEAR(static_cast<double>(drawn[2]), 100, 1);
  EXPECT_EQ(forward->draw(0), 0U);
  EXPECT_EQ(forward->draw(UINT64_MAX), 2U);
}

TEST(ForwardAction, a_group_of_weight_0_is_never_drawn_wherever_it_stands) {
  const auto forward = weighted(
      "groups: [ { group: api, weight: 0 }, { group: admin, weight: 1 }, "
      "{ group: frontend, weight: 0 } ]");
  ASSERT_TRUE(forward);
  for (const std::uint64_t random : {std::uint64_t{0}, UINT64_MAX / 2, UINT64_MAX}) {
    EXPECT_EQ(forward->draw(random), 1U);
  }
}

}  // namespace
}  // namespace sluice::route::testing
