#include "sluice/route/filters/mirror.h"

#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<const Mirror> read(const std::string& settings) {
  const auto read = read_filter("mirror: " + settings);
  EXPECT_EQ(read.errors, "") << settings;
  return read.value.mirror;
}

TEST(Mirror, the_group_alone_copies_everything) {
  const auto mirror = read("{ group: frontend }");
  ASSERT_NE(mirror, nullptr);
  EXPECT_EQ(mirror->group, 2U);
  EXPECT_EQ(mirror->group_name, "frontend");
  EXPECT_EQ(mirror->share, Mirror::share_whole);
  EXPECT_EQ(mirror->body_bytes, 64U * 1024);
  EXPECT_EQ(mirror->timeout, 5s);
  EXPECT_EQ(mirror->in_flight, 256U);
}

TEST(Mirror, every_key_is_read) {
  const auto mirror =
      read("{ group: api, share: 12.5, body_bytes: 1MiB, timeout: 1s, in_flight: 3 }");
  ASSERT_NE(mirror, nullptr);
  EXPECT_EQ(mirror->share, 1250U);
  EXPECT_EQ(mirror->body_bytes, 1024U * 1024);
  EXPECT_EQ(mirror->timeout, 1s);
  EXPECT_EQ(mirror->in_flight, 3U);
}

TEST(Mirror, shares_are_hundredths_of_a_percent) {
  const std::vector<std::pair<std::string, std::uint32_t>> shares{
      {"0", 0},        {"0.01", 1},    {"0.1", 10},      {"1", 100},
      {"99.99", 9999}, {"100", 10000}, {"100.00", 10000}};
  for (const auto& [text, share] : shares) {
    EXPECT_EQ(read("{ group: api, share: " + text + " }")->share, share) << text;
  }
  for (const char* text : {"100.01", "101", "-1", "1.", ".5", "0.001", "1e1", "50%", "\"\"", ""}) {
    EXPECT_NE(read_filter(std::string("mirror: { group: api, share: ") + text + " }").errors, "")
        << text;
  }
}

TEST(Mirror, a_wrong_value_is_named_with_its_place) {
  for (const char* filter :
       {"mirror: api", "mirror: {}", "mirror:", "mirror: { share: 10 }",
        "mirror: { group: nobody }", "mirror: { group: api, shares: 1 }",
        "mirror: { group: api, in_flight: 0 }", "mirror: { group: api, body_bytes: 17MiB }",
        "mirror: { group: api, timeout: 1ms }"}) {
    EXPECT_NE(read_filter(filter).errors.find("filters.mirror"), std::string::npos)
        << filter << " gives " << read_filter(filter).errors;
    EXPECT_EQ(read_filter(filter).value.mirror, nullptr) << filter;
  }
}

TEST(Mirror, no_more_copies_than_allowed_at_a_time) {
  MirrorLoad load;
  EXPECT_TRUE(load.enter(2));
  EXPECT_TRUE(load.enter(2));
  EXPECT_FALSE(load.enter(2));
  EXPECT_FALSE(load.enter(2)) << "a refusal takes no place";
  load.leave();
  EXPECT_TRUE(load.enter(2));
}

TEST(Mirror, a_reload_keeps_the_count_of_copies) {
  const std::string listener =
      "    default_action: { forward: api }\n    filters: { mirror: { group: admin, share: ";
  config::Problems problems;
  const auto before = load_listener(listener + "1 } }\n", problems);
  const auto after = load_listener(listener + "2 } }\n", problems);
  ASSERT_TRUE(before && after) << text_of(problems);
  const auto former = Table::build(before->listeners[0], groups(), problems);
  ASSERT_TRUE(former) << text_of(problems);
  const auto table = Table::build(after->listeners[0], groups(), problems, &*former);
  ASSERT_TRUE(table) << text_of(problems);
  EXPECT_EQ(table->rules().back().filters.mirror->share, 200U);
  EXPECT_EQ(table->rules().back().filters.mirror->load,
            former->rules().back().filters.mirror->load);
}

}  // namespace
}  // namespace sluice::route::testing
