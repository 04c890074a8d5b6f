// The conditions of ALB, row by row, with their boundary values: what its users bring along matches
// here what it matched there.
#include "unit/route/conditions_support.h"

namespace sluice::route::testing {
namespace {

struct Row {
  const char* condition;
  std::vector<std::string> matching;
  std::vector<std::string> others;
};

template <typename Holds>
void check(const std::vector<Row>& rows, Holds holds_for) {
  for (const Row& row : rows) {
    for (const auto& value : row.matching) {
      EXPECT_TRUE(holds_for(row.condition, value)) << row.condition << " for " << value;
    }
    for (const auto& value : row.others) {
      EXPECT_FALSE(holds_for(row.condition, value)) << row.condition << " for " << value;
    }
  }
}

const std::string a127(127, 'a');
const std::string a128(128, 'a');

TEST(AlbConditions, host_header) {
  check({{"host: example.com", {"example.com", "EXAMPLE.com", "example.com:81"}, {"a.example.com"}},
         {"host: \"*.example.com\"", {"a.example.com", ".example.com"}, {"example.com"}},
         {"host: \"*example.com\"", {"example.com", "aexample.com"}, {"example.com.de"}},
         {"host: \"www.?xample.com\"", {"www.example.com"}, {"www.xample.com", "www.eexample.com"}},
         {"host: \"a*b*c.test\"", {"abc.test", "axbbcc.test"}, {"ac.test"}},
         {"host: [a.test, b.test]", {"a.test", "B.test"}, {"c.test", ""}},
         {"host: { regex: \"^a[0-9]{2}[.]test$\" }", {"a12.test", "A12.TEST"}, {"a1.test"}}},
        [](auto condition, const auto& host) { return holds_for_host(condition, host); });
}

TEST(AlbConditions, path_pattern) {
  check({{"path: /img/*", {"/img/", "/img/a.png", "/img/a/b"}, {"/img", "/IMG/a"}},
         {"path: \"/img/*/pics\"", {"/img/a/pics", "/img//pics", "/img/a/b/pics"}, {"/img/pics"}},
         {"path: \"/a?\"", {"/ab", "/a/"}, {"/a", "/abc"}},
         {"path: '/_-.$~\"@:+&x'", {"/_-.$~\"@:+&x"}, {"/_-.$~\"@:+&X"}},
         {"path: \"*\"", {"/", "/a", "*"}, {}},
         {"path: /package.service/method", {"/package.service/method"}, {"/package.service"}},
         {"path_regex: \"^/a(b|c)$\"", {"/ab", "/ac"}, {"/AB", "/abc"}}},
        [](auto condition, const auto& path) { return holds_for_path(condition, path); });
  EXPECT_EQ(read_condition("path: /" + a127).errors, "");
  EXPECT_NE(error_of("path: /" + a128), "");
}

TEST(AlbConditions, http_header) {
  check({{"header: { name: User-Agent, values: [\"*Chrome*\", \"*Safari*\"] }",
          {"Mozilla Chrome/1", "safari", "CHROME"},
          {"Firefox", ""}},
         {"header: { name: user-agent, values: \"a?c\" }", {"abc", "A-C"}, {"ac", "abbc"}},
         {"header: { name: User-Agent, values: \"\" }", {""}, {"x"}},
         {"header: { name: User-Agent, values: \"*\" }", {"", "x"}, {}},
         {R"(header: { name: User-Agent, values: 'a\*' })", {"a*"}, {"ab"}},
         {"header: { name: User-Agent, regex: \"^[a-c]+$\" }", {"abc"}, {"abd", "ABC", ""}}},
        [](auto condition, const auto& value) {
          return holds_for_fields(condition, {{"USER-agent", value}});
        });
  // ALB's limit is 40 bytes, so what it takes is taken.
  EXPECT_EQ(
      read_condition("header: { name: " + std::string(40, 'n') + ", values: " + a128 + " }").errors,
      "");
  EXPECT_NE(error_of("header: { name: Host, values: a.test }"), "");
  EXPECT_NE(error_of("header: { name: \"X-*\", values: a }"), "");
}

TEST(AlbConditions, http_request_method) {
  check({{"method: GET", {"GET"}, {"get", "Get", "GETS", "HEAD", ""}},
         {"method: [CUSTOM-A, B_C]", {"CUSTOM-A", "B_C"}, {"CUSTOM", "B-C"}}},
        [](auto condition, const auto& method) { return holds_for_method(condition, method); });
  EXPECT_EQ(read_condition("method: " + std::string(40, 'M')).errors, "");
  EXPECT_NE(error_of("method: " + std::string(41, 'M')), "");
  EXPECT_NE(error_of("method: \"G?T\""), "");
}

TEST(AlbConditions, query_string) {
  check(
      {{"query: { key: version, value: v1 }",
        {"version=v1", "VERSION=V1", "x=y&version=v1&z", "version=v2&version=v1"},
        {"version=v11", "version", "v1", "", "xversion=v1", "version=v1;x=y"}},
       {"query: { value: \"*example*\" }", {"a=example", "example", "a=my-EXAMPLE-b"}, {"a=exam"}},
       {"query: { key: \"v?\", value: \"\" }", {"v1", "v1=", "V2="}, {"v=", "v1=x"}},
       {R"(query: { value: '\*\?' })", {"a=*?", "*?", "a=%2A%3F"}, {"a=xy"}},
       {"query: [ { key: a, value: b }, { value: c } ]", {"a=b", "z=c", "c"}, {"a=d", "b=a"}}},
      [](auto condition, const auto& query) { return holds_for_query(condition, query); });
  EXPECT_EQ(read_condition("query: { key: " + a128 + ", value: " + a128 + " }").errors, "");
  EXPECT_NE(error_of("query: { value: a" + a128 + " }"), "");
}

TEST(AlbConditions, source_ip) {
  check({{"source_ip: 192.0.2.0/30", {"192.0.2.0", "192.0.2.3", "::ffff:192.0.2.1"}, {"192.0.2.4"}},
         {"source_ip: 192.0.2.1/32", {"192.0.2.1"}, {"192.0.2.0", "192.0.2.2"}},
         {"source_ip: 0.0.0.0/0", {"0.0.0.0", "255.255.255.255"}, {"::1"}},
         {"source_ip: [\"2001:db8::/127\", \"::1\"]",
          {"2001:db8::", "2001:db8::1", "::1"},
          {"2001:db8::2", "127.0.0.1"}}},
        [](auto condition, const auto& client) { return holds_for_client(condition, client); });
  EXPECT_NE(error_of("source_ip: 192.0.2.1/30"), "");
  EXPECT_NE(error_of("source_ip: 192.0.2.0/33"), "");
  EXPECT_NE(error_of("source_ip: 255.255.255.255/32"), "");
}

// Neither values, nor conditions of a kind, nor wildcards are counted.
TEST(AlbConditions, there_is_no_cap_on_values) {
  std::string hosts = "host: [";
  for (int i = 0; i < 1'000; ++i) hosts += "\"*.h" + std::to_string(i) + ".test\", ";
  EXPECT_TRUE(holds_for_host(hosts + "last.test]", "a.h999.test"));
  EXPECT_TRUE(holds_for_host(hosts + "last.test]", "last.test"));
}

}  // namespace
}  // namespace sluice::route::testing
