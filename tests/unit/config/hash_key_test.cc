#include <gtest/gtest.h>

#include "unit/config/support.h"

namespace sluice::config {
namespace {

using test::joined;
using test::load_group;

test::Loaded load_key(const std::string& value) {
  return load_group("    algorithm: consistent_hash\n    hash_key: " + value + "\n");
}

HashKey key_of(const std::string& value) {
  const auto loaded = load_key(value);
  EXPECT_EQ(joined(loaded), "") << value;
  return loaded.model ? loaded.model->target_groups.at(0).hash_key : HashKey{};
}

std::string errors_of(const std::string& value) { return joined(load_key(value)); }

const std::string forms =
    "f:5:15: target_groups[0].hash_key: must be path, source_ip, { header: NAME }, { cookie: NAME "
    "} or { query: NAME }";

TEST(HashKeySetting, is_the_client_address_when_nothing_is_said) {
  const auto loaded = load_group("    algorithm: consistent_hash\n");
  ASSERT_TRUE(loaded.model) << joined(loaded);
  EXPECT_EQ(joined(loaded), "");
  EXPECT_EQ(loaded.model->target_groups.at(0).hash_key.source, HashSource::source_ip);
}

TEST(HashKeySetting, is_a_word_or_a_mapping_with_a_name) {
  EXPECT_EQ(key_of("source_ip").source, HashSource::source_ip);
  EXPECT_EQ(key_of("path").source, HashSource::path);
  const HashKey header = key_of("{ header: X-User }");
  EXPECT_EQ(header.source, HashSource::header);
  EXPECT_EQ(header.name, "x-user");
  const HashKey cookie = key_of("{ cookie: JSESSIONID }");
  EXPECT_EQ(cookie.source, HashSource::cookie);
  EXPECT_EQ(cookie.name, "JSESSIONID");
  const HashKey query = key_of("{ query: Sid }");
  EXPECT_EQ(query.source, HashSource::query);
  EXPECT_EQ(query.name, "Sid");
}

TEST(HashKeySetting, of_another_form_is_refused) {
  EXPECT_EQ(errors_of("sourceip"), forms + ", not 'sourceip'\n");
  EXPECT_EQ(errors_of("[path]"), forms + ", not a list\n");
  EXPECT_EQ(errors_of("{}"), forms + ", one of them\n");
  EXPECT_EQ(errors_of("{ header: a, cookie: b }"), forms + ", one of them\n");
}

TEST(HashKeySetting, names_are_names) {
  EXPECT_EQ(errors_of("{ header: X User }"),
            "f:5:25: target_groups[0].hash_key.header: must be the name of a header field, not 'X "
            "User'\n");
  EXPECT_EQ(errors_of("{ cookie: \"a=b\" }"),
            "f:5:25: target_groups[0].hash_key.cookie: must be the name of a cookie, not 'a=b'\n");
  EXPECT_EQ(errors_of("{ query: \"\" }"),
            "f:5:24: target_groups[0].hash_key.query: must be one line of text and not empty, not "
            "''\n");
  EXPECT_EQ(errors_of("{ header: [a] }"),
            "f:5:25: target_groups[0].hash_key.header: must be text, not a list\n");
  EXPECT_EQ(errors_of("{ heder: a }"),
            "f:5:17: target_groups[0].hash_key.heder: unknown key; did you mean 'header'?\n");
}

TEST(HashKeySetting, goes_with_consistent_hash) {
  EXPECT_EQ(joined(load_group("    hash_key: path\n")),
            "f:4:15: target_groups[0].hash_key: only with algorithm: consistent_hash\n");
}

}  // namespace
}  // namespace sluice::config
