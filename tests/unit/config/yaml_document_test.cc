#include <gtest/gtest.h>

#include <string>

#include "unit/config/support.h"

namespace sluice::config {
namespace {

using test::joined;
using test::load_after_listener;
using test::load_yaml;
using test::Variable;

TEST(YamlDocument, an_empty_file_is_refused) {
  EXPECT_EQ(joined(load_yaml("")), "f:1:1: the file is empty\n");
  EXPECT_EQ(joined(load_yaml("# only a comment\n")), "f:1:1: the file is empty\n");
}

TEST(YamlDocument, what_is_not_a_mapping_is_refused) {
  EXPECT_EQ(joined(load_yaml("text\n")), "f:1:1: must be a mapping, not 'text'\n");
  EXPECT_EQ(joined(load_yaml("- a\n")), "f:1:1: must be a mapping, not a list\n");
}

TEST(YamlDocument, a_syntax_error_has_its_place) {
  EXPECT_EQ(joined(load_yaml("a: 1\nb: c: d\n")), "f:2:5: not valid YAML: illegal map value\n");
  EXPECT_EQ(joined(load_yaml("a: [1,\n")),
            "f:2:1: not valid YAML: end of sequence flow not found; inside { } and [ ] put ${NAME} "
            "in quotes\n");
}

TEST(YamlDocument, a_second_document_is_refused) {
  EXPECT_EQ(joined(load_yaml("a: 1\n---\nb: 1\n")),
            "f:2:1: a second YAML document; a configuration is one document\n");
}

TEST(YamlDocument, a_duplicate_key_names_the_first) {
  EXPECT_EQ(joined(load_after_listener("log:\n  level: info\n  path: stderr\n  level: warn\n")),
            "f:5:3: log.level: duplicate key; first at line 3\n");
  EXPECT_EQ(joined(load_after_listener("listeners: []\n")),
            "f:2:1: listeners: duplicate key; first at line 1\n");
}

TEST(YamlDocument, anchors_aliases_and_tags_are_refused_and_reading_goes_on) {
  EXPECT_EQ(joined(load_after_listener(
                "log: &x { level: info }\naccess_log: *x\nworkers: !!int 3\nstate_dri: a\n")),
            "f:2:6: log: anchors are not supported; put a value that starts with * or & in quotes\n"
            "f:3:13: access_log: aliases are not supported; put a value that starts with * or & in "
            "quotes\n"
            "f:4:10: workers: YAML tags are not supported: 'tag:yaml.org,2002:int'\n"
            "f:5:1: state_dri: unknown key; did you mean 'state_dir'?\n");
}

TEST(YamlDocument, a_wildcard_without_quotes_is_explained) {
  EXPECT_EQ(joined(load_yaml("host: [*.example.com]\n")),
            "f:1:8: not valid YAML: the referenced anchor is not defined; "
            "put a value that starts with * or & in quotes\n");
  EXPECT_EQ(joined(load_yaml("host: *\n")),
            "f:1:8: not valid YAML: alias not found after *; put a value that starts with * or & "
            "in quotes\n");
}

TEST(YamlDocument, a_key_is_plain_text) {
  EXPECT_EQ(joined(load_after_listener("[a, b]: c\n")), "f:2:1: a key must be plain text\n");
  EXPECT_EQ(joined(load_after_listener("log: { {a: b}: c }\n")),
            "f:2:8: log: a key must be plain text\n");
  EXPECT_EQ(joined(load_after_listener("~: c\n")), "f:2:1: a key must be plain text\n");
}

TEST(YamlDocument, nesting_is_bounded_T19) {
  const std::string opened(64, '[');
  EXPECT_EQ(joined(load_yaml(opened + "1" + std::string(64, ']'))),
            "f:1:1: must be a mapping, not a list\n");
  const std::string too_deep = joined(load_yaml("[" + opened + "1" + std::string(65, ']')));
  EXPECT_NE(too_deep.find("nested deeper than 64 levels"), std::string::npos) << too_deep;
  EXPECT_EQ(too_deep.find("f:1:65: "), 0U) << too_deep;

  std::string blocks;
  for (int level = 0; level < 100'000; ++level) blocks += "- ";
  EXPECT_NE(joined(load_yaml(blocks)).find("nested deeper"), std::string::npos);
  EXPECT_FALSE(load_yaml(std::string(200'000, '{')).model);
}

TEST(YamlDocument, the_size_is_bounded_T19) {
  const std::string start(test::smallest);
  const std::size_t most = 4 * 1024 * 1024;
  EXPECT_TRUE(load_yaml(start + "#" + std::string(most - start.size() - 1, 'x')).model);
  EXPECT_EQ(joined(load_yaml(start + "#" + std::string(most - start.size(), 'x'))),
            "f: larger than 4 MiB, the most a configuration may have\n");
}

TEST(YamlDocument, a_nul_character_is_refused) {
  EXPECT_EQ(joined(load_after_listener("state_dir: \"/a\\0b\"\n")),
            "f:2:12: state_dir: text with a NUL character\n");
}

TEST(Environment, variables_and_defaults_are_expanded) {
  const Variable set("SLUICE_TEST_SET", "value");
  const Variable empty("SLUICE_TEST_EMPTY", "");
  struct Case {
    const char* written;
    const char* expanded;
  };
  const Case cases[] = {
      {"${SLUICE_TEST_SET}", "value"},
      {"/a/${SLUICE_TEST_SET}/b/${SLUICE_TEST_SET}", "/a/value/b/value"},
      {"${SLUICE_TEST_SET:-other}", "value"},
      {"${SLUICE_TEST_EMPTY:-other}", "other"},
      {"x${SLUICE_TEST_EMPTY}", "x"},
      {"${SLUICE_TEST_UNSET:-other}", "other"},
      {"x${SLUICE_TEST_UNSET:-}", "x"},
      {"${SLUICE_TEST_UNSET:-a:-b}", "a:-b"},
      {"'${SLUICE_TEST_SET}'", "value"},
      {"$${SLUICE_TEST_SET}", "${SLUICE_TEST_SET}"},
      {"$$${SLUICE_TEST_SET}", "$${SLUICE_TEST_SET}"},
      {"$SLUICE_TEST_SET $ $$", "$SLUICE_TEST_SET $ $$"},
      {"a$", "a$"},
  };
  for (const Case& c : cases) {
    const auto loaded = load_after_listener("state_dir: " + std::string(c.written) + "\n");
    ASSERT_TRUE(loaded.model) << c.written << '\n' << joined(loaded);
    EXPECT_EQ(loaded.model->state_dir, c.expanded) << c.written;
  }
}

TEST(Environment, what_was_inserted_is_not_looked_at_again_T27) {
  const Variable inner("SLUICE_TEST_INNER", "secret");
  const Variable outer("SLUICE_TEST_OUTER", "${SLUICE_TEST_INNER}, x: [y] # z");
  const auto loaded = load_after_listener("state_dir: ${SLUICE_TEST_OUTER}\n");
  ASSERT_TRUE(loaded.model) << joined(loaded);
  EXPECT_EQ(loaded.model->state_dir, "${SLUICE_TEST_INNER}, x: [y] # z");

  const Variable dollar("SLUICE_TEST_DOLLAR", "$");
  const auto pieced =
      load_after_listener("state_dir: \"${SLUICE_TEST_DOLLAR}{SLUICE_TEST_INNER}\"\n");
  ASSERT_TRUE(pieced.model) << joined(pieced);
  EXPECT_EQ(pieced.model->state_dir, "${SLUICE_TEST_INNER}");
}

TEST(Environment, a_variable_that_is_not_set_is_named) {
  EXPECT_EQ(joined(load_after_listener("workers: ${SLUICE_TEST_UNSET}\n")),
            "f:2:10: workers: the environment variable SLUICE_TEST_UNSET is not set; "
            "${SLUICE_TEST_UNSET:-default} would give it a default\n");
}

TEST(Environment, malformed_references_are_refused) {
  EXPECT_EQ(joined(load_after_listener("state_dir: ${SLUICE\n")),
            "f:2:12: state_dir: ${ without a closing }; $${ stands for a literal ${\n");
  for (const char* name : {"", "1A", "A B", "A-B", "${A", ":-x"}) {
    const auto loaded = load_after_listener("state_dir: \"${" + std::string(name) + "}\"\n");
    ASSERT_EQ(loaded.messages.size(), 1U) << name;
    EXPECT_NE(loaded.messages[0].find("is not the name of a variable"), std::string::npos)
        << loaded.messages[0];
  }
}

TEST(Environment, values_are_checked_like_written_ones_but_not_shown) {
  const Variable number("SLUICE_TEST_WORKERS", "3");
  EXPECT_EQ(load_after_listener("workers: ${SLUICE_TEST_WORKERS}\n").model->workers, 3U);
  const Variable secret("SLUICE_TEST_SECRET", "hunter2");
  EXPECT_EQ(joined(load_after_listener("workers: ${SLUICE_TEST_SECRET}\n")),
            "f:2:10: workers: must be auto or a whole number from 1 to 256, not "
            "'${SLUICE_TEST_SECRET}'\n");
}

TEST(Environment, keys_are_not_expanded) {
  const Variable key("SLUICE_TEST_KEY", "workers");
  EXPECT_FALSE(load_after_listener("\"${SLUICE_TEST_KEY}\": 3\n").model);
}

}  // namespace
}  // namespace sluice::config
