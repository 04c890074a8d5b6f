// Which fields a message's Connection fields take out of it.
#include "proxy/nominations.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::proxy {
namespace {

http::Fields fields_with(std::string_view connection) {
  http::Fields fields;
  for (const std::string_view name : {"X-One", "X-Two", "x-one", "Cookie", "Content-Type",
                                      "X-Forwarded-Anything", "Accept", "Keep-Alive", "X"}) {
    fields.add(name, "value");
  }
  fields.add("Connection", connection);
  return fields;
}

bool names(std::string_view connection, std::string_view name) {
  const http::Fields fields = fields_with(connection);
  return Nominations(fields).has(name);
}

TEST(Nominations, a_named_field_is_nominated_in_any_case_and_place) {
  for (const char* const connection :
       {"X-One", "x-one", "close, X-ONE", "X-One, keep-alive", " ,,x-one\t,close", "Upgrade,X-one",
        "X-One, X-One", "unheard-of, X-One, zzz"}) {
    EXPECT_TRUE(names(connection, "X-One")) << connection;
    EXPECT_TRUE(names(connection, "x-ONE")) << connection;
    EXPECT_FALSE(names(connection, "X-Two")) << connection;
  }
  EXPECT_TRUE(names("accept", "Accept"));
  EXPECT_TRUE(names("x", "X"));
}

TEST(Nominations, parts_and_aliases_of_a_name_are_other_names) {
  for (const char* const connection : {"", "close", "keep-alive, Upgrade", "X-On", "X-Ones",
                                       "X_One", "X-One;q=1", "X-One X-Two", "\"X-One\""}) {
    EXPECT_FALSE(names(connection, "X-One")) << connection;
  }
}

TEST(Nominations, all_connection_fields_are_one_list) {
  http::Fields fields = fields_with("x-two");
  fields.add("connection", "close, x-one");
  const Nominations nominations(fields);
  EXPECT_TRUE(nominations.has("X-One"));
  EXPECT_TRUE(nominations.has("X-Two"));
  EXPECT_FALSE(nominations.has("Accept"));
}

TEST(Nominations, protected_fields_are_never_nominated) {
  const std::string_view connection = "Cookie, Content-Type, X-Forwarded-Anything, X-One";
  for (const char* const name : {"Cookie", "Content-Type", "X-Forwarded-Anything"}) {
    EXPECT_FALSE(names(connection, name)) << name;
  }
  EXPECT_TRUE(names(connection, "X-One"));
}

TEST(Nominations, of_very_many_options_each_counts) {
  std::string connection;
  for (int i = 0; i < 20'000; ++i)
    connection += i % 2 == 0 ? "x," : "not-" + std::to_string(i) + ",";
  EXPECT_TRUE(names(connection, "X"));
  EXPECT_FALSE(names(connection, "X-One"));
  EXPECT_TRUE(names(connection + "x-one", "X-One"));
  EXPECT_TRUE(names("x-one," + connection, "X-One"));
}

}  // namespace
}  // namespace sluice::proxy
