#include "app/cli/table.h"

#include <gtest/gtest.h>

namespace sluice::app::cli {
namespace {

const Terminal no_terminal;

Table two_targets() {
  Table table({{.title = "TARGET"},
               {.title = "WEIGHT", .is_number = true, .goes_first = 1},
               {.title = "STATE"},
               {.title = "ZONE", .goes_first = 2}});
  table.add({{"10.0.1.11:8080"}, {"1"}, {"healthy", Colour::good}, {"a"}});
  table.add({{"b:1"}, {"100"}, {"draining", Colour::warning}, {""}});
  return table;
}

TEST(Table, columns_are_aligned_and_lines_end_without_blanks) {
  EXPECT_EQ(two_targets().text(no_terminal),
            "TARGET          WEIGHT  STATE     ZONE\n"
            "10.0.1.11:8080       1  healthy   a\n"
            "b:1                100  draining\n");
}

TEST(Table, colours_are_for_terminals_and_do_not_count_as_width) {
  EXPECT_EQ(two_targets().text({.is_terminal = true, .has_colours = true, .width = {}}),
            "TARGET          WEIGHT  STATE     ZONE\n"
            "10.0.1.11:8080       1  \x1b[32mhealthy\x1b[0m   a\n"
            "b:1                100  \x1b[33mdraining\x1b[0m\n");
}

TEST(Table, a_narrow_terminal_loses_the_columns_that_matter_least) {
  const auto title_at = [](std::size_t width) {
    const std::string text =
        two_targets().text({.is_terminal = true, .has_colours = false, .width = width});
    return text.substr(0, text.find('\n'));
  };
  EXPECT_EQ(title_at(38), "TARGET          WEIGHT  STATE     ZONE");
  EXPECT_EQ(title_at(37), "TARGET          WEIGHT  STATE");
  EXPECT_EQ(title_at(32), "TARGET          WEIGHT  STATE");
  EXPECT_EQ(title_at(31), "TARGET          STATE");
  EXPECT_EQ(title_at(1), "TARGET          STATE");
}

TEST(Table, a_column_without_any_text_is_left_out) {
  Table table({{.title = "A"}, {.title = "B"}, {.title = "C"}});
  table.add({{"1"}, {""}, {"3"}});
  EXPECT_EQ(table.text(no_terminal), "A  C\n1  3\n");
}

TEST(Table, there_is_no_line_of_titles_without_titles) {
  Table table({{.title = ""}, {.title = ""}});
  table.add({{"version"}, {"1"}});
  table.add({{"up"}, {"2"}});
  EXPECT_EQ(table.text(no_terminal), "version  1\nup       2\n");
}

TEST(Table, an_empty_one_has_its_titles) {
  EXPECT_EQ(Table({{.title = "A"}, {.title = "B"}}).text(no_terminal), "A  B\n");
}

}  // namespace
}  // namespace sluice::app::cli
