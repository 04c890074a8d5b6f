#include "control/discovery/ec2/mapping.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "control/discovery/last_good.h"

namespace sluice::control::discovery::ec2 {
namespace {

Instance instance(std::string address) {
  Instance made;
  made.id = "i-1";
  made.state = InstanceState::running;
  made.private_address = std::move(address);
  made.zone = "eu-west-1a";
  return made;
}

Answer answer(Instance one) {
  Answer made;
  made.instances.push_back(std::move(one));
  return made;
}

Mapping on_port(std::uint16_t port) {
  Mapping mapping;
  mapping.port = port;
  mapping.drain_tag = "sluice:drain";
  return mapping;
}

TEST(Ec2Mapping, an_instance_is_a_target_at_its_private_address) {
  const Mapped mapped = map_instances(answer(instance("10.0.1.5")), on_port(8080));
  ASSERT_EQ(mapped.targets.size(), 1U);
  EXPECT_EQ(mapped.targets[0].id, "10.0.1.5:8080");
  EXPECT_EQ(mapped.targets[0].endpoint.text(), "10.0.1.5:8080");
  EXPECT_EQ(mapped.targets[0].weight, 1U);
  EXPECT_EQ(mapped.targets[0].zone, "eu-west-1a");
  EXPECT_FALSE(mapped.targets[0].is_leaving);
  EXPECT_TRUE(mapped.passed_over.empty());
}

TEST(Ec2Mapping, other_addresses_may_be_chosen) {
  Instance one = instance("10.0.1.5");
  one.public_address = "203.0.113.9";
  one.ipv6_address = "2001:DB8::5";
  Mapping mapping = on_port(80);
  mapping.address = WhichAddress::public_ipv4;
  EXPECT_EQ(map_instances(answer(one), mapping).targets.at(0).id, "203.0.113.9:80");
  mapping.address = WhichAddress::ipv6;
  EXPECT_EQ(map_instances(answer(one), mapping).targets.at(0).id, "[2001:db8::5]:80");
}

TEST(Ec2Mapping, an_instance_without_the_address_is_passed_over) {
  Mapping mapping = on_port(80);
  mapping.address = WhichAddress::ipv6;
  const Mapped mapped = map_instances(answer(instance("10.0.1.5")), mapping);
  EXPECT_TRUE(mapped.targets.empty());
  EXPECT_EQ(mapped.passed_over, std::vector<std::string>{"i-1: has no IPv6 address"});
}

bool can_be_a_target(const Answer& answer, const Mapping& mapping) {
  const Mapped mapped = map_instances(answer, mapping);
  return std::ranges::any_of(
      mapped.targets, [](const Found& found) { return !is_refused_address(found.endpoint); });
}

TEST(Ec2Mapping, no_address_of_the_machine_or_of_metadata_becomes_a_target) {
  for (const char* address : {"169.254.169.254", "169.254.1.1", "127.0.0.1", "0.0.0.0", "224.0.0.1",
                              "255.255.255.255", "10.0.0.1.evil", "::1"}) {
    EXPECT_FALSE(can_be_a_target(answer(instance(address)), on_port(80))) << address;
  }
  for (const char* address : {"fd00:ec2::254", "fe80::1", "::1", "::", "ff02::1",
                              "::ffff:169.254.169.254", "::ffff:127.0.0.1"}) {
    Instance one = instance("");
    one.ipv6_address = address;
    Mapping mapping = on_port(80);
    mapping.address = WhichAddress::ipv6;
    EXPECT_FALSE(can_be_a_target(answer(one), mapping)) << address;
  }
}

TEST(Ec2Mapping, loopback_is_good_for_an_endpoint_on_loopback_and_metadata_is_not) {
  Answer of_test = answer(instance("127.0.0.2"));
  of_test.is_of_loopback = true;
  EXPECT_TRUE(can_be_a_target(of_test, on_port(80)));
  of_test.instances[0].private_address = "169.254.169.254";
  EXPECT_FALSE(can_be_a_target(of_test, on_port(80)));
}

TEST(Ec2Mapping, a_tag_has_the_port) {
  Instance one = instance("10.0.1.5");
  Mapping mapping;
  mapping.port_tag = "port";
  EXPECT_EQ(map_instances(answer(one), mapping).passed_over,
            std::vector<std::string>{"i-1: its tag port is no port"});
  mapping.port = 80;  // of those without the tag
  EXPECT_EQ(map_instances(answer(one), mapping).targets.at(0).id, "10.0.1.5:80");
  one.tags = {{"port", "9000"}};
  EXPECT_EQ(map_instances(answer(one), mapping).targets.at(0).id, "10.0.1.5:9000");
  for (const char* wrong : {"", "0", "65536", "-1", "80 ", "http"}) {
    one.tags = {{"port", wrong}};
    EXPECT_TRUE(map_instances(answer(one), mapping).targets.empty()) << wrong;
  }
}

TEST(Ec2Mapping, a_tag_has_the_weight) {
  Instance one = instance("10.0.1.5");
  Mapping mapping = on_port(80);
  mapping.weight_tag = "weight";
  EXPECT_EQ(map_instances(answer(one), mapping).targets.at(0).weight, 1U);
  one.tags = {{"weight", "0"}};
  EXPECT_EQ(map_instances(answer(one), mapping).targets.at(0).weight, 0U);
  one.tags = {{"weight", "999"}};
  EXPECT_EQ(map_instances(answer(one), mapping).targets.at(0).weight, 999U);
  one.tags = {{"weight", "1000"}};
  const Mapped mapped = map_instances(answer(one), mapping);
  EXPECT_EQ(mapped.targets.at(0).weight, 1U);
  EXPECT_EQ(mapped.passed_over,
            std::vector<std::string>{"i-1: its tag weight is no weight of 0 to 999; it has 1"});
}

TEST(Ec2Mapping, instances_that_shut_down_and_those_tagged_are_leaving) {
  Instance one = instance("10.0.1.5");
  const Mapping mapping = on_port(80);
  for (const auto state : {InstanceState::shutting_down, InstanceState::stopping}) {
    one.state = state;
    EXPECT_TRUE(map_instances(answer(one), mapping).targets.at(0).is_leaving);
  }
  for (const auto state :
       {InstanceState::pending, InstanceState::stopped, InstanceState::terminated}) {
    one.state = state;
    EXPECT_TRUE(map_instances(answer(one), mapping).targets.empty());
  }
  one.state = InstanceState::running;
  for (const char* value : {"", "true", "yes", "1", "2026-11-21"}) {
    one.tags = {{"sluice:drain", value}};
    EXPECT_TRUE(map_instances(answer(one), mapping).targets.at(0).is_leaving) << value;
  }
  for (const char* value : {"false", "False", "no", "0"}) {
    one.tags = {{"sluice:drain", value}};
    EXPECT_FALSE(map_instances(answer(one), mapping).targets.at(0).is_leaving) << value;
  }
}

TEST(Ec2Mapping, one_that_shuts_down_and_lost_its_address_is_gone_without_a_word) {
  Instance one = instance("");
  one.state = InstanceState::shutting_down;
  const Mapped mapped = map_instances(answer(one), on_port(80));
  EXPECT_TRUE(mapped.targets.empty());
  EXPECT_TRUE(mapped.passed_over.empty());
}

TEST(Ec2Mapping, what_an_answer_says_is_escaped) {
  Instance one = instance("none");
  one.id = "i-\n\"";
  EXPECT_EQ(map_instances(answer(one), on_port(80)).passed_over,
            std::vector<std::string>{"i-\\x0A\\x22: has no private IPv4 address"});
}

}  // namespace
}  // namespace sluice::control::discovery::ec2
