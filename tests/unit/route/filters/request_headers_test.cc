#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

std::string errors_of(const std::string& edits) {
  return read_filter("request_headers: " + edits).errors;
}

TEST(RequestHeaders, all_edits_are_read) {
  const auto read = read_filter(
      "request_headers: { set: { X-A: \"#{client_ip}\" }, add: { X-B: [one, two], X-C: three }, "
      "default: { X-D: four }, remove: [X-E, Cookie], rename: { X-F: X-G } }");
  EXPECT_EQ(read.errors, "");
  const HeaderEdits& edits = *read.value.request_headers;
  EXPECT_EQ(edits.sets.size(), 1U);
  EXPECT_EQ(edits.additions.size(), 3U);
  EXPECT_EQ(edits.defaults.size(), 1U);
  EXPECT_EQ(edits.removals, (std::vector<std::string>{"X-E", "Cookie"}));
  EXPECT_EQ(edits.renames.at(0).from, "X-F");
  EXPECT_EQ(edits.renames.at(0).to, "X-G");
}

TEST(RequestHeaders, names_of_the_connection_and_of_framing_are_refused) {
  for (const char* name :
       {"Connection", "keep-alive", "Transfer-Encoding", "Content-Length", "TE", "Trailer",
        "Upgrade", "Expect", "Proxy-Connection", "HTTP2-Settings", "Sec-WebSocket-Key",
        "grpc-status", "\":path\"", "\"X A\"", "Content_Length", "X_Forwarded_For", "\"\""}) {
    EXPECT_NE(errors_of(std::string("{ remove: [") + name + "] }"), "") << name;
    EXPECT_NE(errors_of(std::string("{ set: {") + name + ": x } }"), "") << name;
    EXPECT_NE(errors_of(std::string("{ rename: { X-A: ") + name + " } }"), "") << name;
  }
  EXPECT_NE(errors_of("{ set: { Host: x } }").find("rewrite"), std::string::npos);
}

TEST(RequestHeaders, what_sluice_writes_itself_can_be_set_and_removed_and_nothing_else) {
  for (const std::string name : {"X-Forwarded-For", "x-request-id", "traceparent", "Via",
                                 "X-Forwarded-Proto", "X-Forwarded-Port"}) {
    EXPECT_EQ(errors_of("{ remove: [" + name + "] }"), "");
    EXPECT_EQ(errors_of("{ set: { " + name + ": x } }"), "");
    for (const char* edit : {"add", "default", "rename"}) {
      EXPECT_NE(
          errors_of("{ " + std::string(edit) + ": { " + name + ": X-B } }").find("set or removed"),
          std::string::npos);
    }
  }
  EXPECT_EQ(errors_of("{ rename: { X-Amzn-Mtls-Clientcert-Subject: X-Subject } }"), "");
}

TEST(RequestHeaders, values_are_one_line_with_known_variables) {
  EXPECT_NE(errors_of("{ set: { X-A: \"#{nobody}\" } }").find("#{client_ip}"), std::string::npos);
  EXPECT_NE(errors_of("{ set: { X-A: \"#{status}\" } }"), "") << "there is no answer yet";
  for (const char* value : {"\"a\\r\\nX-B: c\"", "\"a\\nb\"", "\" a\"", "\"\"", "\"#{host\"",
                            "\"#{header:X A}\"", "\"#{header:}\"", "[a, b]", "{ a: b }"}) {
    EXPECT_NE(errors_of("{ set: { X-A: " + std::string(value) + " } }"), "") << value;
  }
  EXPECT_NE(errors_of("{ set: { X-A: " + std::string(1025, 'a') + " } }"), "");
  EXPECT_EQ(errors_of("{ set: { X-A: " + std::string(1024, 'a') + " } }"), "");
  EXPECT_EQ(errors_of("{ set: { X-A: \"#{header:X-B}-#{tls_version}#{sni}\" } }"), "");
}

TEST(RequestHeaders, a_value_that_yaml_takes_for_a_comment_is_reported) {
  EXPECT_NE(errors_of("{ set: { X-A: } }").find("quotes"), std::string::npos);
}

TEST(RequestHeaders, no_name_is_there_twice) {
  EXPECT_NE(errors_of("{ set: { X-A: b }, remove: [x-a] }").find("twice"), std::string::npos);
  EXPECT_NE(errors_of("{ rename: { X-A: X-a } }").find("twice"), std::string::npos);
}

TEST(RequestHeaders, their_number_is_bounded) {
  const auto names = [](int count) {
    std::string list;
    for (int i = 0; i < count; ++i) list += (i > 0 ? ", X-" : "X-") + std::to_string(i);
    return "{ remove: [" + list + "] }";
  };
  EXPECT_EQ(errors_of(names(64)), "");
  EXPECT_NE(errors_of(names(65)).find("64"), std::string::npos);
}

}  // namespace
}  // namespace sluice::route::testing
