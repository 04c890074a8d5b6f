#include "control/discovery/ec2/times.h"

#include <gtest/gtest.h>

namespace sluice::control::discovery::ec2 {
namespace {

using namespace std::chrono_literals;

TEST(Ec2Times, a_timestamp_is_read_and_written) {
  const auto time = parse_timestamp("2026-11-21T01:02:03Z");
  ASSERT_TRUE(time.has_value());
  EXPECT_EQ(compact_time(*time), "20261121T010203Z");
  EXPECT_EQ(time->time_since_epoch(), 1'795'222'923s);
}

TEST(Ec2Times, fractions_and_a_zero_offset_are_the_same_time) {
  const auto time = parse_timestamp("2026-11-21T01:02:03Z");
  EXPECT_EQ(parse_timestamp("2026-11-21T01:02:03.999Z"), time);
  EXPECT_EQ(parse_timestamp("2026-11-21T01:02:03+00:00"), time);
}

TEST(Ec2Times, a_date_of_http_is_read) {
  EXPECT_EQ(parse_http_date("Sat, 21 Nov 2026 01:02:03 GMT"),
            parse_timestamp("2026-11-21T01:02:03Z"));
}

TEST(Ec2Times, what_is_no_time_is_none) {
  for (const char* text :
       {"", "2026", "2026-11-21T01:02:03", "2026-11-21T01:02:03+01:00", "2026-13-21T01:02:03Z",
        "2026-02-30T01:02:03Z", "2026-11-21T24:02:03Z", "2026-11-21 01:02:03Z",
        "-026-11-21T01:02:03Z", "2026-11-21T01:02:03.", "9999-12-31T23:59:59Z",
        "2201-01-01T00:00:00Z", "0001-01-01T00:00:00Z"}) {
    EXPECT_FALSE(parse_timestamp(text).has_value()) << text;
  }
  for (const char* text : {"", "Sat", "Sat, 21 Nov 2026 01:02:03", "Sat, 21 Foo 2026 01:02:03 GMT",
                           "Sat, 21 Nov 2026 01:02:03 GMT ", "Saturday, 21-Nov-26 01:02:03 GMT"}) {
    EXPECT_FALSE(parse_http_date(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace sluice::control::discovery::ec2
