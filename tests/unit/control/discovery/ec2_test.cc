// The mapping `ec2` in the configuration, and every message about it.
#include "control/discovery/ec2.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "control/discovery/kinds.h"
#include "sluice/config/load.h"

namespace sluice::control::discovery {
namespace {

struct ReadSource {
  std::shared_ptr<const Source> source;
  std::string errors;  // a line each, without file and path
};

// `yaml` in any place where the configuration keeps what it does not read itself.
ReadSource read(const std::string& yaml) {
  config::Problems problems;
  const auto model = config::read_text(
      "listeners:\n  - { name: web, bind: \"127.0.0.1:0\", filters: { ec2: " + yaml + " } }\n", "f",
      problems);
  ReadSource read;
  if (!model || model->listeners.empty() || !model->listeners[0].filters) return read;
  const auto node = model->listeners[0].filters->get("ec2");
  config::Problems of_source;
  if (node) read.source = read_ec2_source(*node, of_source);
  for (const config::Problem& problem : of_source.sorted()) read.errors += problem.what + '\n';
  return read;
}

TEST(Ec2Source, is_a_kind_of_source) {
  const auto all = kinds();
  EXPECT_TRUE(std::ranges::any_of(all, [](const Kind& kind) { return kind.name == "ec2"; }));
}

TEST(Ec2Source, tags_and_a_port_are_enough) {
  const ReadSource source = read("{ tags: { Role: api }, port: 8080 }");
  ASSERT_NE(source.source, nullptr) << source.errors;
  EXPECT_EQ(source.source->kind(), "ec2");
  EXPECT_EQ(source.source->text(), "ec2 Role=api port 8080");
  EXPECT_EQ(source.source->refresh(), config::Milliseconds(15'000));
}

TEST(Ec2Source, every_key_is_read) {
  const ReadSource source = read(
      "{ tags: { Role: [api, web], 'aws:autoscaling:groupName': blue }, region: eu-west-1, "
      "endpoint: 'https://vpce-1.ec2.eu-west-1.vpce.amazonaws.com', address: public, family: ipv4, "
      "port: 80, port_tag: p, weight_tag: w, drain_tag: d, refresh: 30s, timeout: 5s }");
  ASSERT_NE(source.source, nullptr) << source.errors;
  EXPECT_EQ(source.source->text(),
            "ec2 Role=api,web aws:autoscaling:groupName=blue port 80 port_tag p in eu-west-1");
  EXPECT_EQ(source.source->refresh(), config::Milliseconds(30'000));
}

TEST(Ec2Source, equal_settings_have_equal_fingerprints_and_others_not) {
  const std::string base = "tags: { Role: api }";
  const std::string port = ", port: 80";
  const std::string one = read("{ " + base + port + " }").source->fingerprint();
  EXPECT_EQ(read("{ port: 80, drain_tag: 'sluice:drain', " + base + " }").source->fingerprint(),
            one);
  for (const char* other :
       {", region: eu-west-1", ", endpoint: 'http://127.0.0.1:1'", ", address: public",
        ", family: ipv6", ", port_tag: p", ", weight_tag: p", ", drain_tag: p", ", refresh: 16s",
        ", timeout: 9s"}) {
    const ReadSource source = read("{ " + base + port + other + " }");
    ASSERT_NE(source.source, nullptr) << source.errors;
    EXPECT_NE(source.source->fingerprint(), one) << other;
  }
  EXPECT_NE(read("{ tags: { Role: [api, web] }, port: 80 }").source->fingerprint(), one);
  EXPECT_NE(read("{ tags: { Role: 'api web' }, port: 80 }").source->fingerprint(),
            read("{ tags: { Role: [api, web] }, port: 80 }").source->fingerprint());
  EXPECT_NE(read("{ " + base + ", port: 81 }").source->fingerprint(), one);
}

TEST(Ec2Source, what_is_wrong_is_said) {
  const auto errors = [](const std::string& yaml) { return read(yaml).errors; };
  EXPECT_EQ(errors("api"),
            "must be a mapping such as { tags: { Role: api }, port: 8080 }, not 'api'\n");
  EXPECT_EQ(errors("{ port: 80 }"),
            "needs tags: a mapping such as { Role: api } that chooses the instances\n");
  EXPECT_EQ(errors("{ tags: Role, port: 80 }"),
            "must be a mapping of 1 to 20 tags, such as { Role: api }, not 'Role'\n");
  EXPECT_EQ(errors("{ tags: {}, port: 80 }"),
            "must be a mapping of 1 to 20 tags, such as { Role: api }, not a mapping\n");
  EXPECT_EQ(errors("{ tags: { Role: [] }, port: 80 }"), "must have at least one value\n");
  EXPECT_EQ(errors("{ tags: { Role: api } }"),
            "needs port, a number, or port_tag, the tag that has it\n");
  EXPECT_EQ(errors("{ tags: { Role: api }, port: 80, region: EU_West }"),
            "must be a region such as eu-west-1, not 'EU_West'\n");
  for (const char* endpoint : {"http://10.0.0.1", "ftp://127.0.0.1", "https://ec2.test/path",
                               "https://169.254.169.254", "http://localhost", "ec2.test"}) {
    EXPECT_EQ(
        errors("{ tags: { Role: api }, port: 80, endpoint: '" + std::string(endpoint) + "' }"),
        "must be a URL such as https://ec2.eu-west-1.amazonaws.com, without a path (http:// "
        "on loopback only), not '" +
            std::string(endpoint) + "'\n");
  }
  EXPECT_EQ(errors("{ tags: { Role: api }, port: 80, address: public, family: ipv6 }"),
            "only with family: ipv4; an IPv6 address is neither private nor public\n");
  EXPECT_EQ(errors("{ tags: { Role: api }, port: 80, drain_tag: '' }"),
            "must be the name of a tag, of 1 to 127 bytes, not ''\n");
  EXPECT_EQ(errors("{ tags: { Role: api }, prot: 80, port: 80 }"),
            "unknown key; did you mean 'port'?\n");
  for (const char* wrong : {"port: 0", "port: 65536", "refresh: 999ms", "refresh: 2h",
                            "timeout: 10ms", "timeout: 1m", "address: both", "family: ip"}) {
    EXPECT_NE(errors("{ tags: { Role: api }, port_tag: p, " + std::string(wrong) + " }"), "")
        << wrong;
  }
}

#ifdef SLUICE_SOURCE_ROOT
TEST(Ec2Source, every_key_is_in_the_table_of_keys) {
  std::ifstream file(std::filesystem::path(SLUICE_SOURCE_ROOT) / "conf" / "README.md");
  const std::string table{std::istreambuf_iterator<char>(file), {}};
  std::string keys = read("{ zzzzzzzzzzzzzzzz: 1, tags: { a: b }, port: 1 }").errors;
  const std::string marker = "known here: ";
  ASSERT_NE(keys.find(marker), std::string::npos) << keys;
  std::istringstream words(keys.substr(keys.find(marker) + marker.size()));
  int count = 0;
  for (std::string key; words >> key;) {
    if (key.ends_with(',')) key.pop_back();
    if (key == "or") continue;
    ++count;
    EXPECT_NE(table.find("| `target_groups[].discovery[].ec2." + key + "` |"), std::string::npos)
        << key;
  }
  EXPECT_EQ(count, 11);
}
#endif

TEST(Ec2Source, too_many_and_too_long_tags_are_refused) {
  const auto errors = [](const std::string& tags) {
    return read("{ tags: { " + tags + " }, port: 80 }").errors;
  };
  std::string many;
  for (int i = 0; i < 21; ++i) many += "t" + std::to_string(i) + ": x, ";
  EXPECT_NE(errors(many), "");
  EXPECT_NE(errors("Role: " + std::string(256, 'x')), "");
  EXPECT_NE(errors(std::string(128, 'x') + ": api"), "");
  std::string values;
  for (int i = 0; i < 191; ++i) values += "v" + std::to_string(i) + ", ";
  EXPECT_EQ(errors("Role: [" + values + "]"), "at most 190 values in all, not 191\n");
}

TEST(Ec2Source, its_text_is_short_and_printable) {
  const ReadSource source =
      read("{ tags: { Role: \"a\\nb" + std::string(200, 'x') + "\" }, port: 80 }");
  ASSERT_NE(source.source, nullptr) << source.errors;
  EXPECT_LT(source.source->text().size(), 150U);
  EXPECT_NE(source.source->text().find("a\\x0Ab"), std::string::npos);
}

}  // namespace
}  // namespace sluice::control::discovery
