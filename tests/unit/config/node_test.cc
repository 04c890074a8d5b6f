#include "sluice/config/node.h"

#include <gtest/gtest.h>

#include <chrono>

#include "config/yaml_document.h"

namespace sluice::config {
namespace {

using std::chrono::milliseconds;

Node document(std::string_view text, Problems& problems) {
  auto value = parse_yaml(text, "f", problems);
  EXPECT_TRUE(value) << text;
  return value ? Node(std::move(value), "") : Node();
}

// Reads the value of the key `k` and gives the message, or "" when there is none.
template <typename Read>
std::string message_of(std::string_view value, Read read) {
  Problems problems;
  const Node root = document("k: " + std::string(value), problems);
  const auto node = root.get("k");
  if (!node) return "absent";
  read(*node, problems);
  const auto found = problems.sorted();
  EXPECT_LE(found.size(), 1U) << value;
  return found.empty() ? "" : found.front().text();
}

TEST(Node, positions_count_from_one_and_paths_name_the_way) {
  Problems problems;
  const Node root = document("a:\n  - b: 1\n  - b: 2\n    c: [x, 'y']\n", problems);
  const Node second = root.get("a")->items().at(1);
  EXPECT_EQ(second.path(), "a[1]");
  const Node y = second.get("c")->items().at(1);
  EXPECT_EQ(y.path(), "a[1].c[1]");
  EXPECT_EQ(y.position().file, "f");
  EXPECT_EQ(y.position().line, 4U);
  EXPECT_EQ(y.position().column, 12U);
}

TEST(Node, a_node_outlives_the_node_it_came_from) {
  Problems problems;
  std::optional<Node> inner;
  {
    const Node root = document("a: { b: text }", problems);
    inner = root.get("a")->get("b");
  }
  EXPECT_EQ(inner->as_string(problems), "text");
}

TEST(Node, a_null_value_counts_as_absent_but_is_still_a_key) {
  Problems problems;
  const Node root = document("a:\nb: ~\nc: null\nd: ''\n", problems);
  EXPECT_FALSE(root.get("a"));
  EXPECT_FALSE(root.get("b"));
  EXPECT_FALSE(root.get("c"));
  EXPECT_TRUE(root.get("d"));
  EXPECT_EQ(root.keys(), (std::vector<std::string>{"a", "b", "c", "d"}));
}

TEST(Node, a_default_node_is_null_and_has_nothing) {
  const Node node;
  EXPECT_TRUE(node.is_null());
  EXPECT_TRUE(node.keys().empty());
  EXPECT_TRUE(node.items().empty());
  EXPECT_FALSE(node.get("a"));
}

TEST(Node, only_true_and_false_are_booleans) {
  const auto read = [](const Node& node, Problems& problems) { (void)node.as_bool(problems); };
  EXPECT_EQ(message_of("true", read), "");
  EXPECT_EQ(message_of("false", read), "");
  for (const char* value : {"yes", "no", "on", "off", "True", "FALSE", "1", "0", "''", "'true '"}) {
    EXPECT_NE(message_of(value, read), "") << value;
  }
  EXPECT_EQ(message_of("yes", read), "f:1:4: k: must be true or false, not 'yes'");
  EXPECT_EQ(message_of("[true]", read), "f:1:4: k: must be true or false, not a list");
}

TEST(Node, integers_are_digits_inside_their_range) {
  const auto read = [](const Node& node, Problems& problems) {
    (void)node.as_integer(5, 10, problems);
  };
  for (const char* value : {"5", "10", "'7'", "007"})
    EXPECT_EQ(message_of(value, read), "") << value;
  for (const char* value : {"4", "11", "-7", "+7", "7.0", "7e0", "0x7", "7 8", "''", "seven",
                            "18446744073709551623", "99999999999999999999999999"}) {
    EXPECT_NE(message_of(value, read), "") << value;
  }
  EXPECT_EQ(message_of("4", read), "f:1:4: k: must be a whole number from 5 to 10, not '4'");
}

TEST(Node, durations_have_a_unit) {
  struct Case {
    const char* text;
    std::int64_t milliseconds;
  };
  for (const Case& c :
       {Case{"250ms", 250}, Case{"30s", 30'000}, Case{"5m", 300'000}, Case{"2h", 7'200'000},
        Case{"1d", 86'400'000}, Case{"0", 0}, Case{"0s", 0}, Case{"007s", 7'000}}) {
    Problems problems;
    const Node root = document("k: " + std::string(c.text), problems);
    EXPECT_EQ(root.get("k")->as_duration(milliseconds(0), std::chrono::hours(48), problems),
              milliseconds(c.milliseconds))
        << c.text;
  }
}

TEST(Node, what_is_no_duration_in_range_is_refused) {
  const auto read = [](const Node& node, Problems& problems) {
    (void)node.as_duration(milliseconds(10), milliseconds(60'000), problems);
  };
  EXPECT_EQ(message_of("10ms", read), "");
  EXPECT_EQ(message_of("1m", read), "");
  for (const char* value :
       {"9ms", "0", "61s", "60001ms", "30", "30 s", "30S", "1.5s", "-1s", "s", "1m1s", "1w", "''",
        "99999999999999999999d", "106751991168d", "[30s]"}) {
    EXPECT_NE(message_of(value, read), "") << value;
  }
  EXPECT_EQ(message_of("30", read),
            "f:1:4: k: must be a duration from 10ms to 1m, written like 250ms, 30s, 5m, 2h or 1d, "
            "not '30'");
}

TEST(Node, sizes_are_bytes_or_powers_of_1024) {
  struct Case {
    const char* text;
    std::uint64_t bytes;
  };
  for (const Case& c : {Case{"512", 512}, Case{"16KiB", 16'384}, Case{"1MiB", 1'048'576},
                        Case{"2GiB", 2'147'483'648}, Case{"0", 0}}) {
    Problems problems;
    const Node root = document("k: " + std::string(c.text), problems);
    EXPECT_EQ(root.get("k")->as_size(0, 1ULL << 40, problems), c.bytes) << c.text;
  }
  const auto read = [](const Node& node, Problems& problems) {
    (void)node.as_size(1024, 4096, problems);
  };
  EXPECT_EQ(message_of("1KiB", read), "");
  EXPECT_EQ(message_of("4096", read), "");
  for (const char* value : {"1023", "4097", "5KiB", "2KB", "2k", "2K", "2kib", "2 KiB", "KiB",
                            "-2KiB", "1.5KiB", "18014398509481985KiB", "99999999999999999999"}) {
    EXPECT_NE(message_of(value, read), "") << value;
  }
  EXPECT_EQ(message_of("2KB", read),
            "f:1:4: k: must be a size from 1KiB to 4KiB, written like 512, 16KiB, 1MiB or 2GiB, "
            "not '2KB'");
}

TEST(Node, a_choice_returns_the_index_of_one_of_the_words) {
  Problems problems;
  const Node root = document("k: two", problems);
  EXPECT_EQ(root.get("k")->as_choice({"one", "two", "three"}, problems), 1U);
  const auto read = [](const Node& node, Problems& inner) {
    (void)node.as_choice({"one", "two", "three"}, inner);
  };
  EXPECT_EQ(message_of("Two", read), "f:1:4: k: must be one, two or three, not 'Two'");
  EXPECT_EQ(message_of("{}", read), "f:1:4: k: must be one, two or three, not a mapping");
}

TEST(Node, strings_are_a_list_or_one_scalar) {
  Problems problems;
  const Node root = document("one: x\ntwo: [x, 5]\nbad: [x, [y], z]\nmap: {x: y}\n", problems);
  EXPECT_EQ(root.get("one")->as_strings(problems), (std::vector<std::string>{"x"}));
  EXPECT_EQ(root.get("two")->as_strings(problems), (std::vector<std::string>{"x", "5"}));
  EXPECT_FALSE(problems.has_errors());
  EXPECT_EQ(root.get("bad")->as_strings(problems), (std::vector<std::string>{"x", "z"}));
  EXPECT_TRUE(root.get("map")->as_strings(problems).empty());
  const auto found = problems.sorted();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].text(), "f:3:10: bad[1]: must be text, not a list");
  EXPECT_EQ(found[1].text(), "f:4:6: map: must be text or a list of texts, not a mapping");
}

TEST(Node, unknown_keys_are_reported_with_the_nearest_known_one) {
  Problems problems;
  const Node root = document("lisen: 1\nbind: 2\nlater: 3\nquite_different: 4\n", problems);
  root.allow_keys({"listen", "bind"}, {"later"}, problems);
  const auto found = problems.sorted();
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].text(), "f:1:1: lisen: unknown key; did you mean 'listen'?");
  EXPECT_EQ(found[1].text(), "f:3:1: later: not supported by this version");
  EXPECT_EQ(found[2].text(), "f:4:1: quite_different: unknown key; known here: listen or bind");
}

TEST(Node, odd_keys_and_values_stay_on_one_line_of_plain_text) {
  Problems problems;
  const Node root = document(
      "\"a.b\\nc\\u202e\": 1\nk: \"\\x1b[31m\\n" + std::string(100, 'x') + "\"\n", problems);
  root.allow_keys({"k"}, problems);
  (void)root.get("k")->as_bool(problems);
  const auto found = problems.sorted();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].text(), "f:1:1: 'a.b\\x0ac\\xe2\\x80\\xae': unknown key; known here: k");
  EXPECT_EQ(found[1].text(),
            "f:2:4: k: must be true or false, not '\\x1b[31m\\x0a" + std::string(54, 'x') + "...'");
}

TEST(Nearest, finds_what_a_slip_of_the_finger_meant) {
  const std::vector<std::string_view> known = {"listeners", "limits", "log", "timeouts",
                                               "target_groups"};
  EXPECT_EQ(nearest("listener", known), "listeners");
  EXPECT_EQ(nearest("lsiteners", known), "listeners");
  EXPECT_EQ(nearest("timeout", known), "timeouts");
  EXPECT_EQ(nearest("target-groups", known), "target_groups");
  EXPECT_EQ(nearest("lgo", known), "log");
  EXPECT_EQ(nearest("lag", known), "log");
}

TEST(Nearest, says_nothing_when_nothing_is_near) {
  const std::vector<std::string_view> known = {"listeners", "log"};
  EXPECT_FALSE(nearest("frobnicate", known));
  EXPECT_FALSE(nearest("xy", known));
  EXPECT_FALSE(nearest("", known));
  EXPECT_FALSE(nearest(std::string(100'000, 'l'), known));
  EXPECT_FALSE(nearest("log", {}));
}

TEST(Problems, are_sorted_by_place_and_say_which_are_warnings) {
  Problems problems;
  problems.error({"f", 10, 2}, "b", "late");
  problems.warning({"f", 9, 30}, "a", "early");
  problems.error({"f", 10, 1}, "", "no path");
  problems.error({"f", 0, 0}, "", "no line");
  problems.error({}, "x", "no file");
  std::vector<std::string> texts;
  for (const Problem& problem : problems.sorted()) texts.push_back(problem.text());
  EXPECT_EQ(texts,
            (std::vector<std::string>{"x: no file", "f: no line", "f:9:30: warning: a: early",
                                      "f:10:1: no path", "f:10:2: b: late"}));
}

TEST(Problems, a_warning_is_no_error) {
  Problems problems;
  problems.warning({"f", 1, 1}, "a", "only a warning");
  EXPECT_FALSE(problems.has_errors());
  problems.error({"f", 1, 1}, "a", "an error");
  EXPECT_TRUE(problems.has_errors());
}

}  // namespace
}  // namespace sluice::config
