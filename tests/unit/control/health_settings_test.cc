// The keys of `health_check`: defaults, ranges, and every mistake with its place.
#include <gtest/gtest.h>

#include <filesystem>

#include "unit/control/health_support.h"

namespace sluice::control::testing {
namespace {

std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST(HealthSettings, an_empty_mapping_is_all_defaults) {
  const ReadPlan read = read_plan("{}");
  ASSERT_EQ(read.errors, "");
  const health::Settings& settings = read.settings();
  EXPECT_EQ(settings.kind->name, "http");
  EXPECT_EQ(settings.port, 0);
  EXPECT_EQ(settings.interval, milliseconds(30'000));
  EXPECT_EQ(settings.unhealthy_interval, milliseconds(30'000));
  EXPECT_EQ(settings.timeout, milliseconds(5'000));
  EXPECT_EQ(settings.thresholds.healthy, 5U);
  EXPECT_EQ(settings.thresholds.unhealthy, 2U);
  EXPECT_EQ(settings.jitter_percent, 10U);
}

TEST(HealthSettings, the_protocol_is_that_of_the_group_unless_it_says_otherwise) {
  const std::string https = "    protocol: https\n    tls: { verify: false }\n";
  EXPECT_EQ(read_plan("{}", "127.0.0.1:1", https).settings().kind->name, "https");
  EXPECT_EQ(read_plan("{ protocol: http }", "127.0.0.1:1", https).settings().kind->name, "http");
  EXPECT_EQ(read_plan("{ protocol: https }").settings().kind->name, "https");
  EXPECT_EQ(read_plan("{ protocol: tcp }").settings().kind->name, "tcp");
}

TEST(HealthSettings, every_key_is_read) {
  const ReadPlan read = read_plan(
      "{ protocol: http, method: HEAD, path: \"/health?deep=1\", host: app.example, headers: { "
      "X-A: b "
      "}, "
      "matcher: \"200-299,404\", port: 81, interval: 2s, timeout: 500ms, unhealthy_interval: 1s, "
      "healthy_threshold: 3, unhealthy_threshold: 4, jitter_percent: 0 }");
  ASSERT_EQ(read.errors, "");
  const health::Settings& settings = read.settings();
  EXPECT_EQ(settings.port, 81);
  EXPECT_EQ(settings.interval, milliseconds(2'000));
  EXPECT_EQ(settings.unhealthy_interval, milliseconds(1'000));
  EXPECT_EQ(settings.timeout, milliseconds(500));
  EXPECT_EQ(settings.thresholds.healthy, 3U);
  EXPECT_EQ(settings.thresholds.unhealthy, 4U);
  EXPECT_EQ(settings.jitter_percent, 0U);
}

TEST(HealthSettings, the_default_timeout_shrinks_with_the_interval) {
  EXPECT_EQ(read_plan("{ interval: 1s }").settings().timeout, milliseconds(1'000));
  EXPECT_EQ(read_plan("{ unhealthy_interval: 2s }").settings().timeout, milliseconds(2'000));
}

TEST(HealthSettings, a_timeout_over_the_interval_is_refused_with_its_place) {
  EXPECT_EQ(read_plan("{ interval: 1s, timeout: 2s }").errors,
            "f:6:44: target_groups[0].health_check.timeout: timeout over interval: it must be at "
            "most 1000ms, not '2s'\n");
  EXPECT_NE(read_plan("{ unhealthy_interval: 1s, timeout: 2s }")
                .errors.find("timeout over unhealthy_interval"),
            std::string::npos);
}

TEST(HealthSettings, all_mistakes_are_reported_at_once) {
  const ReadPlan read = read_plan(
      "{ method: BREW, path: health, host: \"a b\", headers: { \"X A\": b, Host: c }, "
      "matcher: 199, body_match: \"(\", port: 0, interval: 99ms, unhealthy_interval: 2h, "
      "timeout: 0, healthy_threshold: 0, unhealthy_threshold: 101, jitter_percent: 51, intervall: "
      "1 }");
  EXPECT_EQ(read.plan, nullptr);
  for (const char* key :
       {"method", "path", "host", "headers.'X A'", "headers.Host", "matcher", "body_match", "port",
        "interval", "unhealthy_interval", "timeout", "healthy_threshold", "unhealthy_threshold",
        "jitter_percent", "intervall"}) {
    EXPECT_NE(read.errors.find("health_check." + std::string(key) + ":"), std::string::npos)
        << key << " in\n"
        << read.errors;
  }
  EXPECT_EQ(lines_of(read.errors), 15U) << read.errors;
}

TEST(HealthSettings, a_check_that_is_no_mapping_is_one_mistake) {
  const ReadPlan read = read_plan("[ 1 ]");
  EXPECT_EQ(read.plan, nullptr);
  EXPECT_EQ(lines_of(read.errors), 1U) << read.errors;
}

TEST(HealthSettings, an_unknown_protocol_is_answered_with_those_there_are) {
  EXPECT_NE(read_plan("{ protocol: udp }").errors.find("http, https, tcp, grpc"),
            std::string::npos);
}

TEST(HealthSettings, a_port_means_nothing_to_a_unix_socket) {
  EXPECT_NE(read_plan("{ port: 81 }", "unix:/run/app.sock").errors.find("Unix socket"),
            std::string::npos);
}

TEST(HealthSettings, headers_that_belong_to_the_connection_are_refused) {
  for (const char* name : {"Host", "connection", "Content-Length", "Transfer-Encoding", "Upgrade",
                           "TE", "Keep-Alive", "Expect", "Trailer"}) {
    EXPECT_NE(read_plan("{ headers: { " + std::string(name) + ": a } }").errors, "") << name;
  }
  EXPECT_NE(read_plan("{ headers: { A: 1, a: 2 } }").errors, "");
  EXPECT_NE(read_plan("{ headers: { A: \"1\\r\\nB: 2\" } }").errors, "");
  EXPECT_NE(read_plan("{ headers: { A: \" 1\" } }").errors, "");
  EXPECT_NE(read_plan("{ headers: { A: } }").errors, "");
  EXPECT_NE(read_plan("{ headers: [ a ] }").errors, "");
}

TEST(HealthSettings, the_value_of_a_header_is_in_no_message) {
  for (const char* headers : {"{ X-Key: \" s3cret\" }", "{ X-Key: \"s3cret\\r\\nB: 2\" }",
                              "{ Host: s3cret }", "{ \"X Key\": s3cret }", "\"X-Key: s3cret\""}) {
    const std::string errors = read_plan("{ headers: " + std::string(headers) + " }").errors;
    EXPECT_NE(errors.find("headers"), std::string::npos) << headers;
    EXPECT_EQ(errors.find("s3cret"), std::string::npos) << errors;
  }
}

TEST(HealthSettings, a_path_cannot_break_the_request) {
  EXPECT_NE(read_plan("{ path: \"/a b\" }").errors, "");
  EXPECT_NE(read_plan("{ path: \"/a\\r\\nb\" }").errors, "");
  EXPECT_NE(read_plan("{ path: \"/a#b\" }").errors, "");
  EXPECT_NE(read_plan("{ path: /" + std::string(1024, 'a') + " }").errors, "");
  EXPECT_EQ(read_plan("{ path: /" + std::string(1023, 'a') + " }").errors, "");
}

TEST(HealthSettings, an_answer_to_head_has_no_body_to_match) {
  EXPECT_NE(read_plan("{ method: HEAD, body_match: ok }").errors.find("has no body"),
            std::string::npos);
}

TEST(HealthSettings, every_kind_has_its_test) {
  EXPECT_FALSE(health::kinds().empty());
  for (const health::Kind& kind : health::kinds()) {
    EXPECT_TRUE(
        std::filesystem::exists(std::filesystem::path(SLUICE_SOURCE_ROOT) / "tests/unit/control" /
                                ("health_" + std::string(kind.name) + "_test.cc")))
        << kind.name;
  }
}

}  // namespace
}  // namespace sluice::control::testing
