#include "sluice/http/field.h"

#include <gtest/gtest.h>

#include <cctype>
#include <string>
#include <string_view>

namespace sluice::http {
namespace {

struct Named {
  FieldName name;
  std::string_view spelling;
};

// Written again, not taken from the table under test.
constexpr Named all_names[] = {
    {FieldName::accept_encoding, "Accept-Encoding"},
    {FieldName::authorization, "Authorization"},
    {FieldName::connection, "Connection"},
    {FieldName::content_encoding, "Content-Encoding"},
    {FieldName::content_length, "Content-Length"},
    {FieldName::content_type, "Content-Type"},
    {FieldName::cookie, "Cookie"},
    {FieldName::date, "Date"},
    {FieldName::expect, "Expect"},
    {FieldName::forwarded, "Forwarded"},
    {FieldName::host, "Host"},
    {FieldName::keep_alive, "Keep-Alive"},
    {FieldName::location, "Location"},
    {FieldName::proxy_authenticate, "Proxy-Authenticate"},
    {FieldName::proxy_authorization, "Proxy-Authorization"},
    {FieldName::proxy_connection, "Proxy-Connection"},
    {FieldName::referer, "Referer"},
    {FieldName::server, "Server"},
    {FieldName::set_cookie, "Set-Cookie"},
    {FieldName::te, "TE"},
    {FieldName::traceparent, "traceparent"},
    {FieldName::tracestate, "tracestate"},
    {FieldName::trailer, "Trailer"},
    {FieldName::transfer_encoding, "Transfer-Encoding"},
    {FieldName::upgrade, "Upgrade"},
    {FieldName::user_agent, "User-Agent"},
    {FieldName::via, "Via"},
    {FieldName::x_amzn_trace_id, "X-Amzn-Trace-Id"},
    {FieldName::x_forwarded_for, "X-Forwarded-For"},
    {FieldName::x_forwarded_host, "X-Forwarded-Host"},
    {FieldName::x_forwarded_port, "X-Forwarded-Port"},
    {FieldName::x_forwarded_proto, "X-Forwarded-Proto"},
    {FieldName::x_real_ip, "X-Real-IP"},
    {FieldName::x_request_id, "X-Request-Id"},
};

std::string in_upper_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

TEST(Field, every_token_is_found_in_any_case) {
  EXPECT_EQ(std::size(all_names), static_cast<std::size_t>(FieldName::x_request_id));
  for (const Named& one : all_names) {
    EXPECT_EQ(field_name(one.spelling), one.name) << one.spelling;
    EXPECT_EQ(field_name(in_upper_case(one.spelling)), one.name) << one.spelling;
    std::string mixed(one.spelling);
    for (std::size_t i = 0; i < mixed.size(); i += 2) {
      mixed[i] = in_upper_case(mixed.substr(i, 1))[0];
    }
    EXPECT_EQ(field_name(mixed), one.name) << mixed;
  }
}

TEST(Field, a_name_with_any_other_byte_at_any_place_is_another_name) {
  for (const Named& one : all_names) {
    for (std::size_t place = 0; place < one.spelling.size(); ++place) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string name(one.spelling);
        const int before = std::tolower(static_cast<unsigned char>(name[place]));
        if (std::tolower(byte) == before) continue;
        name[place] = static_cast<char>(byte);
        const FieldName found = field_name(name);
        EXPECT_NE(found, one.name) << name << " byte " << byte << " at " << place;
      }
    }
  }
}

TEST(Field, a_longer_or_shorter_name_is_another_name) {
  EXPECT_EQ(field_name(""), FieldName::other);
  EXPECT_EQ(field_name("T"), FieldName::other);
  EXPECT_EQ(field_name(std::string(100, 'x')), FieldName::other);
  for (const Named& one : all_names) {
    const std::string name(one.spelling);
    EXPECT_EQ(field_name(name + "x"), FieldName::other) << name;
    EXPECT_EQ(field_name("x" + name), FieldName::other) << name;
    EXPECT_EQ(field_name(name.substr(1)), FieldName::other) << name;
    EXPECT_EQ(field_name(name.substr(0, name.size() - 1)), FieldName::other) << name;
  }
}

TEST(Field, hop_by_hop_fields_are_those_of_rfc_9110) {
  for (const std::string_view name :
       {"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade"}) {
    EXPECT_TRUE(is_hop_by_hop(field_name(name))) << name;
  }
  for (const std::string_view name : {"Proxy-Authenticate", "Proxy-Authorization", "Trailer",
                                      "Content-Length", "Host", "X-Any"}) {
    EXPECT_FALSE(is_hop_by_hop(field_name(name))) << name;
  }
}

TEST(Field, t9_connection_cannot_nominate_what_we_or_targets_rely_on) {
  for (const std::string_view name : {"Host",
                                      "hOST",
                                      "Authorization",
                                      "Proxy-Authorization",
                                      "Cookie",
                                      "Set-Cookie",
                                      "Content-Length",
                                      "content-type",
                                      "Content-Anything",
                                      "Transfer-Encoding",
                                      "Trailer",
                                      "Expect",
                                      "Forwarded",
                                      "X-Forwarded-For",
                                      "x-forwarded-client-cert",
                                      "X-Real-IP",
                                      "X-Request-Id",
                                      "traceparent",
                                      "tracestate",
                                      "X-Amzn-Trace-Id",
                                      "X-Amzn-Mtls-Clientcert",
                                      "Via",
                                      "Date",
                                      "Location",
                                      "Cache-Control",
                                      "Origin",
                                      "WWW-Authenticate"}) {
    EXPECT_TRUE(is_protected_from_nomination(name)) << name;
  }
  for (const std::string_view name :
       {"", "close", "keep-alive", "upgrade", "X-Custom", "HTTP2-Settings", "X-Forwarded",
        "Content", "Hos", "Hostt", "ETag"}) {
    EXPECT_FALSE(is_protected_from_nomination(name)) << name;
  }
}

TEST(Field, t10_other_spellings_of_protected_names_are_aliases) {
  for (const std::string_view name :
       {"X_Forwarded_For", "x-forwarded_for", "X.Forwarded.Proto", "X_Forwarded_Client_Cert",
        "Content_Length", "content.length", "Transfer_Encoding", "TRANSFER.ENCODING",
        "Transfer~Encoding", "X!Real!IP", "X_Request_Id", "Set_Cookie", "Keep_Alive",
        "Proxy_Connection", "Proxy_Authorization", "X_Amzn_Trace_Id",
        "x_amzn_a_name_longer_than_any_that_we_know_of"}) {
    EXPECT_TRUE(is_alias_of_protected(name)) << name;
  }
  for (const std::string_view name :
       {"X-Forwarded-For", "x-forwarded-for", "Content-Length", "Transfer-Encoding", "Host", "",
        "X_Custom", "my.field", "User_Agent", "X_Forwarded", "_",
        "a_name_longer_than_any_that_we_know_of", "HostX", "X__Forwarded__For"}) {
    EXPECT_FALSE(is_alias_of_protected(name)) << name;
  }
}

TEST(Field, t10_a_name_with_a_token_is_never_an_alias) {
  for (const Named& one : all_names) EXPECT_FALSE(is_alias_of_protected(one.spelling));
}

TEST(Fields, the_first_of_a_name_is_found) {
  Fields fields;
  fields.add("Accept", "a");
  fields.add("cookie", "first");
  fields.add("Cookie", "second");
  fields.add("ACCEPT", "b");
  EXPECT_EQ(fields.size(), 4U);
  EXPECT_EQ(fields.value(FieldName::cookie), "first");
  EXPECT_EQ(fields.value(FieldName::host), "");
  EXPECT_EQ(fields.find(FieldName::host), nullptr);
  ASSERT_NE(fields.find("accept"), nullptr);
  EXPECT_EQ(fields.find("accept")->value, "a");
  EXPECT_EQ(fields.find("accep"), nullptr);
  fields.clear();
  EXPECT_EQ(fields.size(), 0U);
}

TEST(FieldList, elements_are_visited_without_white_space_and_empty_ones) {
  std::string seen;
  const auto visit = [&seen](std::string_view element) { seen.append("[").append(element) += "]"; };
  for_each_element(" a,b ,\tc d,, ,e", visit);
  EXPECT_EQ(seen, "[a][b][c d][e]");
  seen.clear();
  for_each_element("", visit);
  for_each_element(" , ", visit);
  EXPECT_EQ(seen, "");
}

}  // namespace
}  // namespace sluice::http
