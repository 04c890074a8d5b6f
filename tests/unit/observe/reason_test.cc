#include "sluice/observe/reason.h"

#include <cctype>
#include <fstream>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace sluice::observe {
namespace {

TEST(Reason, each_has_a_text_of_its_own_in_snake_case) {
  std::set<std::string_view> seen;
  for (std::size_t i = 1; i < reason_count; ++i) {
    const std::string_view name = text(static_cast<Reason>(i));
    EXPECT_TRUE(seen.insert(name).second) << name;
    for (const char c : name) {
      EXPECT_TRUE(std::islower(static_cast<unsigned char>(c)) || std::isdigit(c) || c == '_')
          << name;
    }
  }
}

TEST(Reason, none_is_a_dash_without_status_or_side) {
  EXPECT_EQ(text(Reason::none), "-");
  EXPECT_EQ(status_of(Reason::none), 0);
  EXPECT_EQ(side_of(Reason::none), Side::none);
  EXPECT_EQ(text(Side::none), "-");
}

TEST(Reason, statuses_are_those_of_the_table_of_limits) {
  EXPECT_EQ(status_of(Reason::bare_line_feed), 400);
  EXPECT_EQ(status_of(Reason::request_line_too_long), 414);
  EXPECT_EQ(status_of(Reason::headers_too_large), 431);
  EXPECT_EQ(status_of(Reason::body_too_large), 413);
  EXPECT_EQ(status_of(Reason::header_timeout), 408);
  EXPECT_EQ(status_of(Reason::transfer_coding_unknown), 501);
  EXPECT_EQ(status_of(Reason::version_not_supported), 505);
  EXPECT_EQ(status_of(Reason::no_rule), 404);
  EXPECT_EQ(status_of(Reason::no_target), 503);
  EXPECT_EQ(status_of(Reason::target_connect_refused), 502);
  EXPECT_EQ(status_of(Reason::target_response_timeout), 504);
  EXPECT_EQ(status_of(Reason::client_closed), 499);
}

TEST(Reason, a_fault_of_the_client_is_not_blamed_on_the_target) {
  EXPECT_EQ(text(side_of(Reason::bad_method)), "client");
  EXPECT_EQ(text(side_of(Reason::client_write_timeout)), "client");
  EXPECT_EQ(text(side_of(Reason::target_body_cut)), "target");
  EXPECT_EQ(text(side_of(Reason::shutdown_deadline)), "self");
}

TEST(Reason, every_one_but_none_has_a_side) {
  for (std::size_t i = 1; i < reason_count; ++i) {
    EXPECT_NE(side_of(static_cast<Reason>(i)), Side::none) << text(static_cast<Reason>(i));
  }
}

TEST(Reason, the_manual_has_a_row_for_each_with_its_status_and_side) {
  std::ifstream file(SLUICE_SOURCE_ROOT "/docs/logs.md");
  const std::string manual(std::istreambuf_iterator<char>(file), {});
  ASSERT_FALSE(manual.empty());
  for (std::size_t i = 1; i < reason_count; ++i) {
    const auto reason = static_cast<Reason>(i);
    const std::uint16_t status = status_of(reason);
    const std::string row = "| `" + std::string(text(reason)) + "` | " +
                            (status == 0 ? std::string("-") : std::to_string(status)) + " | " +
                            std::string(text(side_of(reason))) + " | ";
    EXPECT_NE(manual.find(row), std::string::npos) << row;
  }
}

}  // namespace
}  // namespace sluice::observe
