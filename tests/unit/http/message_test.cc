#include "sluice/http/message.h"

#include <gtest/gtest.h>

#include <string_view>

namespace sluice::http {
namespace {

TEST(Method, names_are_compared_with_case) {
  struct Case {
    std::string_view text;
    Method method;
    bool idempotent;
  };
  const Case cases[] = {
      {"GET", Method::get, true},         {"HEAD", Method::head, true},
      {"POST", Method::post, false},      {"PUT", Method::put, true},
      {"DELETE", Method::delete_, true},  {"OPTIONS", Method::options, true},
      {"PATCH", Method::patch, false},    {"CONNECT", Method::connect, false},
      {"TRACE", Method::trace, true},     {"get", Method::other, false},
      {"Get", Method::other, false},      {"GETX", Method::other, false},
      {"PROPFIND", Method::other, false}, {"", Method::other, false},
      {"DELETES", Method::other, false},  {"PAT", Method::other, false},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(method(one.text), one.method) << one.text;
    EXPECT_EQ(is_idempotent(one.method), one.idempotent) << one.text;
  }
}

TEST(RequestHead, clear_leaves_nothing_of_the_request_before) {
  RequestHead head;
  head.method = Method::post;
  head.method_text = head.target = head.path = head.query = head.host = "x";
  head.form = TargetForm::absolute;
  head.has_query = head.expects_continue = head.wants_upgrade = true;
  head.minor_version = 0;
  head.fields.add("A", "b");
  head.framing = Framing::chunked;
  head.content_length = 5;
  head.persistent = false;
  head.path_storage = "x";
  head.clear();

  const RequestHead fresh;
  EXPECT_EQ(head.method, fresh.method);
  EXPECT_EQ(head.method_text, fresh.method_text);
  EXPECT_EQ(head.target, fresh.target);
  EXPECT_EQ(head.form, fresh.form);
  EXPECT_EQ(head.path, fresh.path);
  EXPECT_EQ(head.query, fresh.query);
  EXPECT_EQ(head.has_query, fresh.has_query);
  EXPECT_EQ(head.host, fresh.host);
  EXPECT_EQ(head.minor_version, fresh.minor_version);
  EXPECT_EQ(head.fields.size(), 0U);
  EXPECT_EQ(head.framing, fresh.framing);
  EXPECT_EQ(head.content_length, fresh.content_length);
  EXPECT_EQ(head.persistent, fresh.persistent);
  EXPECT_EQ(head.expects_continue, fresh.expects_continue);
  EXPECT_EQ(head.wants_upgrade, fresh.wants_upgrade);
  EXPECT_EQ(head.path_storage, "");
}

TEST(ResponseHead, clear_leaves_nothing_of_the_response_before) {
  ResponseHead head;
  head.status = 200;
  head.reason_phrase = "x";
  head.minor_version = 0;
  head.fields.add("A", "b");
  head.framing = Framing::length;
  head.content_length = 5;
  head.has_content_length = true;
  head.persistent = false;
  head.clear();

  const ResponseHead fresh;
  EXPECT_EQ(head.status, fresh.status);
  EXPECT_EQ(head.reason_phrase, fresh.reason_phrase);
  EXPECT_EQ(head.minor_version, fresh.minor_version);
  EXPECT_EQ(head.fields.size(), 0U);
  EXPECT_EQ(head.framing, fresh.framing);
  EXPECT_EQ(head.content_length, fresh.content_length);
  EXPECT_EQ(head.has_content_length, fresh.has_content_length);
  EXPECT_EQ(head.persistent, fresh.persistent);
}

}  // namespace
}  // namespace sluice::http
