// Who is in a group, by who says so.
#include "sluice/control/membership.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::control {
namespace {

using Ids = std::vector<std::string>;

Member member(const std::string& host, std::uint32_t weight = 1, const std::string& zone = {}) {
  Member one;
  one.endpoint = net::Endpoint::numeric(host, 80).value();
  one.id = one.endpoint.text();
  one.weight = weight;
  one.zone = zone;
  return one;
}

SharedMembers list(std::vector<Member> members) {
  return std::make_shared<const std::vector<Member>>(std::move(members));
}

class MembershipTest : public testing::Test {
 protected:
  MembershipTest() {
    membership_.on_change([this](const std::string& group) { changed_.push_back(group); });
  }
  void configure(std::vector<Member> configured, std::vector<Membership::Source> sources = {}) {
    Membership::Plan plan;
    plan["g"] = {std::move(configured), std::move(sources)};
    membership_.take_over(std::move(plan));
  }
  // `host weight sources zone`, what is left out at the end is empty.
  [[nodiscard]] static Ids text_of(const target::TargetSet& set) {
    Ids all;
    for (std::size_t i = 0; i < set.members.size(); ++i) {
      const target::TargetSet::Origin origin = set.origin(i);
      all.push_back(set.members[i].target->endpoint().address_text() + ' ' +
                    std::to_string(set.members[i].weight) + ' ' + origin.sources +
                    (origin.zone.empty() ? "" : ' ' + origin.zone));
    }
    return all;
  }
  [[nodiscard]] Ids set() { return text_of(*membership_.set_of("g")); }

  Membership membership_;
  Ids changed_;
};

const Membership::Source dns{"dns a", "dns"};
const Membership::Source file{"file b", "file"};

TEST_F(MembershipTest, sources_add_up_in_their_order) {
  configure({member("10.0.0.1")}, {dns, file});
  membership_.put_api("g", member("10.0.0.2"));
  membership_.set_discovered("g", file.key, list({member("10.0.0.4")}));
  membership_.set_discovered("g", dns.key, list({member("10.0.0.3", 1, "a")}));
  EXPECT_EQ(set(),
            (Ids{"10.0.0.1 1 config", "10.0.0.2 1 api", "10.0.0.3 1 dns a", "10.0.0.4 1 file"}));
  EXPECT_EQ(changed_, Ids(3, "g"));
}

TEST_F(MembershipTest, a_target_known_to_several_stays_until_the_last_lets_go) {
  configure({}, {dns, file});
  membership_.put_api("g", member("10.0.0.1"));
  membership_.set_discovered("g", dns.key, list({member("10.0.0.1")}));
  membership_.set_discovered("g", file.key, list({member("10.0.0.1", 1, "b")}));
  EXPECT_EQ(set(), (Ids{"10.0.0.1 1 api,dns,file b"}));
  const auto target = membership_.set_of("g")->members.front().target;
  EXPECT_TRUE(membership_.remove_api("g", "10.0.0.1:80"));
  membership_.set_discovered("g", dns.key, nullptr);
  EXPECT_EQ(set(), (Ids{"10.0.0.1 1 file b"}));
  EXPECT_EQ(membership_.set_of("g")->members.front().target, target);
  membership_.set_discovered("g", file.key, list({}));
  EXPECT_EQ(set(), Ids());
}

TEST_F(MembershipTest, the_weight_is_that_of_the_first_that_names_it_and_an_override_beats_all) {
  configure({member("10.0.0.1", 2)}, {dns});
  membership_.put_api("g", member("10.0.0.1", 3));
  membership_.put_api("g", member("10.0.0.2", 4));
  membership_.set_discovered("g", dns.key, list({member("10.0.0.1", 5), member("10.0.0.2", 6)}));
  EXPECT_EQ(set(), (Ids{"10.0.0.1 2 config,api,dns", "10.0.0.2 4 api,dns"}));
  membership_.set_override("g", "10.0.0.1:80", MemberOverride{.weight = 9});
  EXPECT_EQ(set()[0], "10.0.0.1 9 config,api,dns");
  membership_.set_override("g", "10.0.0.1:80", std::nullopt);
  EXPECT_EQ(set()[0], "10.0.0.1 2 config,api,dns");
}

TEST_F(MembershipTest, who_is_to_drain_is_not_in_the_set_but_in_the_status) {
  configure({member("10.0.0.1", 5), member("10.0.0.2")});
  membership_.set_override("g", "10.0.0.1:80", MemberOverride{.is_draining = true});
  EXPECT_EQ(set(), (Ids{"10.0.0.2 1 config"}));
  std::vector<TargetStatus> all(1);
  all[0].id = "10.0.0.2:80";
  membership_.add_others("g", all);
  ASSERT_EQ(all.size(), 2U);
  all.erase(all.begin());
  EXPECT_EQ(all[0].id, "10.0.0.1:80");
  EXPECT_EQ(all[0].weight, 5U);
  EXPECT_EQ(all[0].sources, "config");
  EXPECT_EQ(all[0].state, target::State::draining);
  membership_.add_others("g", all);  // it is known already
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].id, "10.0.0.2:80");
}

TEST_F(MembershipTest, who_is_about_to_be_registered_is_in_the_status_at_once) {
  configure({});
  membership_.put_api("g", member("10.0.0.1", 3, "a"));
  std::vector<TargetStatus> all;
  membership_.add_others("g", all);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].state, target::State::initial);
  EXPECT_EQ(all[0].reason, target::StateReason::registration_in_progress);
  EXPECT_EQ(all[0].weight, 3U);
  EXPECT_EQ(all[0].sources, "api");
  EXPECT_EQ(all[0].zone, "a");
  membership_.add_others("nobody", all);
  EXPECT_EQ(all.size(), 1U);
}

TEST_F(MembershipTest, a_target_leaves_when_all_that_name_it_say_so) {
  configure({}, {dns, file});
  Member leaving = member("10.0.0.1");
  leaving.is_leaving = true;
  membership_.set_discovered("g", dns.key, list({leaving}));
  EXPECT_EQ(set(), Ids());
  membership_.set_discovered("g", file.key, list({member("10.0.0.1")}));
  EXPECT_EQ(set(), (Ids{"10.0.0.1 1 dns,file"}));
}

TEST_F(MembershipTest, what_says_the_same_again_is_no_change) {
  configure({});
  membership_.put_api("g", member("10.0.0.1"));
  membership_.set_override("g", "10.0.0.1:80", MemberOverride{.weight = 9});
  changed_.clear();
  membership_.put_api("g", member("10.0.0.1"));
  membership_.set_api("g", {member("10.0.0.1")});
  membership_.set_override("g", "10.0.0.1:80", MemberOverride{.weight = 9});
  membership_.set_override("g", "10.0.0.2:80", std::nullopt);
  EXPECT_FALSE(membership_.remove_api("g", "10.0.0.2:80"));
  EXPECT_FALSE(membership_.remove_api("nobody", "10.0.0.2:80"));
  EXPECT_EQ(changed_, Ids());
}

TEST_F(MembershipTest, equal_sets_are_equal_and_hold_the_same_targets) {
  configure({member("10.0.0.1")}, {dns});
  membership_.set_discovered("g", dns.key, list({member("10.0.0.2")}));
  EXPECT_EQ(*membership_.set_of("g"), *membership_.set_of("g"));
}

// --- configurations -----------------------------------------------------------------------------

TEST_F(MembershipTest, a_reload_keeps_what_others_said) {
  configure({member("10.0.0.1")}, {dns});
  membership_.put_api("g", member("10.0.0.2"));
  membership_.set_discovered("g", dns.key, list({member("10.0.0.3")}));
  changed_.clear();
  const Membership::GroupPlan plan{{member("10.0.0.9")}, {file, dns}};
  const Ids expected{"10.0.0.9 1 config", "10.0.0.2 1 api", "10.0.0.3 1 dns"};
  EXPECT_EQ(text_of(*membership_.set_of("g", plan)), expected);
  EXPECT_EQ(set()[0], "10.0.0.1 1 config");  // nothing has changed yet
  configure(plan.configured, plan.sources);
  EXPECT_EQ(set(), expected);
  EXPECT_EQ(changed_, Ids());
}

TEST_F(MembershipTest, a_source_with_other_settings_inherits_from_one_of_its_kind) {
  configure({}, {dns, file});
  membership_.set_discovered("g", dns.key, list({member("10.0.0.1")}));
  membership_.set_discovered("g", file.key, list({member("10.0.0.2")}));
  configure({}, {{"file c", "file"}});
  EXPECT_EQ(set(), (Ids{"10.0.0.2 1 file"}));
  ASSERT_NE(membership_.discovered("g", "file c"), nullptr);
  EXPECT_EQ(membership_.discovered("g", dns.key), nullptr);
  membership_.set_discovered("g", dns.key, list({member("10.0.0.1")}));  // too late
  EXPECT_EQ(set(), (Ids{"10.0.0.2 1 file"}));
}

TEST_F(MembershipTest, a_source_that_is_gone_takes_its_targets_along) {
  configure({member("10.0.0.1")}, {dns});
  membership_.set_discovered("g", dns.key, list({member("10.0.0.2")}));
  configure({member("10.0.0.1")});
  EXPECT_EQ(set(), (Ids{"10.0.0.1 1 config"}));
}

TEST_F(MembershipTest, what_the_api_said_waits_for_a_group_that_comes_back) {
  membership_.put_api("g", member("10.0.0.2"));
  EXPECT_EQ(changed_, Ids());  // nobody has the group
  EXPECT_FALSE(membership_.is_configured("g"));
  configure({});
  EXPECT_TRUE(membership_.is_configured("g"));
  EXPECT_EQ(set(), (Ids{"10.0.0.2 1 api"}));
  membership_.take_over({});
  EXPECT_FALSE(membership_.is_configured("g"));
  EXPECT_EQ(membership_.api("g").size(), 1U);
  configure({});
  EXPECT_EQ(set(), (Ids{"10.0.0.2 1 api"}));
}

}  // namespace
}  // namespace sluice::control
