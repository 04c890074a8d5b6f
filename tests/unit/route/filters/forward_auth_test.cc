#include "sluice/route/filters/forward_auth.h"

#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<const ForwardAuth> read(const std::string& settings) {
  const auto read = read_filter("forward_auth: " + settings);
  EXPECT_EQ(read.errors, "") << settings;
  return read.value.forward_auth;
}

TEST(ForwardAuth, the_group_alone_is_enough) {
  const auto auth = read("{ group: admin }");
  ASSERT_NE(auth, nullptr);
  ForwardAuth expected;
  expected.group = 1;
  expected.group_name = "admin";
  EXPECT_EQ(*auth, expected);
  EXPECT_EQ(auth->timeout, 5s);
  EXPECT_EQ(auth->request_headers, (std::vector<std::string>{"Authorization", "Cookie"}));
  EXPECT_TRUE(auth->answer_headers.empty());
  EXPECT_FALSE(auth->fail_open);
}

TEST(ForwardAuth, every_key_is_read) {
  const auto auth = read(
      "{ group: api, path: \"/verify?for=shop\", timeout: 250ms, request_headers: [X-Key], "
      "answer_headers: [X-User, Authorization], denied_headers: [], answer_bytes: 1KiB, "
      "fail_open: true }");
  ASSERT_NE(auth, nullptr);
  EXPECT_EQ(auth->path, "/verify?for=shop");
  EXPECT_EQ(auth->timeout, 250ms);
  EXPECT_EQ(auth->request_headers, std::vector<std::string>{"X-Key"});
  EXPECT_EQ(auth->answer_headers, (std::vector<std::string>{"X-User", "Authorization"}));
  EXPECT_TRUE(auth->denied_headers.empty());
  EXPECT_EQ(auth->answer_bytes, 1024U);
  EXPECT_TRUE(auth->fail_open);
}

TEST(ForwardAuth, a_wrong_value_is_named_with_its_place) {
  for (const char* filter :
       {"forward_auth: api", "forward_auth: {}", "forward_auth:", "forward_auth: { path: /a }",
        "forward_auth: { group: nobody }", "forward_auth: { group: api, paths: /a }",
        "forward_auth: { group: api, path: verify }",
        "forward_auth: { group: api, path: \"/a b\" }",
        "forward_auth: { group: api, path: \"/a#b\" }", "forward_auth: { group: api, path: }",
        "forward_auth: { group: api, timeout: 0 }", "forward_auth: { group: api, timeout: 6m }",
        "forward_auth: { group: api, answer_bytes: 2MiB }",
        "forward_auth: { group: api, fail_open: maybe }",
        "forward_auth: { group: api, answer_headers: }",
        "forward_auth: { group: api, answer_headers: [X-A, x-a] }"}) {
    EXPECT_NE(read_filter(filter).errors.find("filters.forward_auth"), std::string::npos)
        << filter << " gives " << read_filter(filter).errors;
    EXPECT_EQ(read_filter(filter).value.forward_auth, nullptr) << filter;
  }
}

TEST(ForwardAuth, an_unknown_group_is_told_what_there_is) {
  EXPECT_NE(read_filter("forward_auth: { group: amin }").errors.find("did you mean 'admin'?"),
            std::string::npos);
}

TEST(ForwardAuth, headers_of_the_connection_and_of_ours_are_nobodys_to_copy) {
  for (const char* key : {"request_headers", "answer_headers", "denied_headers"}) {
    for (const char* name : {"Host", "Connection", "Content-Length", "Transfer-Encoding", "TE",
                             "Upgrade", "Trailer", "Expect", "Content_Length", "a b", "\"\""}) {
      const std::string filter =
          "forward_auth: { group: api, " + std::string(key) + ": [" + name + "] }";
      EXPECT_NE(read_filter(filter).errors, "") << filter;
    }
  }
  for (const char* key : {"request_headers", "answer_headers"}) {
    for (const char* name : {"X-Forwarded-For", "X-Forwarded-Uri", "X-Forwarded-Method",
                             "X-Request-Id", "traceparent", "X-Amzn-Mtls-Clientcert"}) {
      const std::string filter =
          "forward_auth: { group: api, " + std::string(key) + ": [" + name + "] }";
      EXPECT_NE(read_filter(filter).errors, "") << filter;
    }
  }
}

}  // namespace
}  // namespace sluice::route::testing
