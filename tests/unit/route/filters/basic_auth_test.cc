#include "sluice/route/filters/basic_auth.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

using namespace std::chrono_literals;

const std::string hash = "$2y$04$MuqL1RdfhIm.SpGXbs5EeOVN0nzWupNp9a5VRjkf5ggWBvw2z.wKS";
const std::string other_hash = "$2b$05$BIK4739wk3vcbRkkHZRlS.zCul8L6y5eLoO7bQxoCUz9tm2/geYZi";

class UsersFile {
 public:
  explicit UsersFile(const std::string& text)
      : path_((std::filesystem::temp_directory_path() /
               ("sluice-users-" + std::to_string(::getpid())))
                  .string()) {
    std::ofstream(path_, std::ios::binary) << text;
  }
  ~UsersFile() { std::filesystem::remove(path_); }
  UsersFile(const UsersFile&) = delete;
  UsersFile& operator=(const UsersFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string filter(const std::string& more = {}) {
  return "basic_auth: { users: { alice: \"" + hash + "\" }" + (more.empty() ? "" : ", " + more) +
         " }";
}

std::shared_ptr<const BasicAuth> read(const std::string& text) {
  const auto read = read_filter(text);
  EXPECT_EQ(read.errors, "") << text;
  return read.value.basic_auth;
}

std::string errors_of(const std::string& text) {
  const auto read = read_filter(text);
  EXPECT_EQ(read.value.basic_auth, nullptr) << text;
  return read.errors;
}

std::shared_ptr<const BasicAuth> read_file(const std::string& text) {
  const UsersFile file(text);
  return read("basic_auth: { users_file: \"" + file.path() + "\" }");
}

// With the file's name as FILE.
std::string errors_of_file(const std::string& text, const std::string& more = {}) {
  const UsersFile file(text);
  std::string errors = errors_of("basic_auth: { users_file: \"" + file.path() + "\"" + more + " }");
  for (std::size_t at; (at = errors.find(file.path())) != std::string::npos;) {
    errors.replace(at, file.path().size(), "FILE");
  }
  return errors;
}

TEST(BasicAuth, the_short_form_has_these_defaults) {
  const auto basic = read(filter());
  ASSERT_NE(basic, nullptr);
  EXPECT_EQ(basic->challenge, "Basic realm=\"sluice\", charset=\"UTF-8\"");
  ASSERT_EQ(basic->users.size(), 1U);
  EXPECT_EQ(basic->users[0].name, "alice");
  EXPECT_EQ(basic->users[0].hash->text(), hash);
  EXPECT_EQ(basic->user_header, "");
  EXPECT_FALSE(basic->forward_authorization);
  EXPECT_EQ(basic->queue, 64U);
  EXPECT_EQ(basic->waiting, 1000U);
  EXPECT_EQ(basic->cache->settings().entries, 10'000U);
  EXPECT_EQ(basic->cache->settings().ttl, 5min);
  EXPECT_EQ(basic->cache->settings().failure_ttl, 10s);
}

TEST(BasicAuth, all_of_its_keys_are_read) {
  const auto basic = read(
      filter("realm: 'The \"inner\" \\ net', user_header: X-Forwarded-User, forward_authorization: "
             "true, cache: { entries: 5, ttl: 30s, failure_ttl: 0 }, queue: 2, waiting: 7"));
  ASSERT_NE(basic, nullptr);
  EXPECT_EQ(basic->challenge, "Basic realm=\"The \\\"inner\\\" \\\\ net\", charset=\"UTF-8\"");
  EXPECT_EQ(basic->user_header, "X-Forwarded-User");
  EXPECT_TRUE(basic->forward_authorization);
  EXPECT_EQ(basic->queue, 2U);
  EXPECT_EQ(basic->waiting, 7U);
  const CredentialCache::Settings wanted{.entries = 5, .ttl = 30s, .failure_ttl = 0ms};
  EXPECT_EQ(basic->cache->settings(), wanted);
}

TEST(BasicAuth, wrong_settings_are_errors) {
  const std::string at = "test.yaml:4:";
  EXPECT_EQ(errors_of("basic_auth: on"),
            at + "28: listeners[0].filters.basic_auth: must be a mapping with users or users_file, "
                 "not 'on'\n");
  for (const auto& [text, part] : std::initializer_list<std::pair<std::string, std::string>>{
           {"basic_auth: {}", "with users or users_file"},
           {"basic_auth: { realm: a }", "needs users: { NAME: HASH }, or users_file, or both"},
           {"basic_auth: { users: }", "must be a mapping of names to hashes"},
           {"basic_auth: { users: [alice] }", "must be a mapping of names to hashes"},
           {"basic_auth: { users: { alice: } }", "needs a hash for the user 'alice'"},
           {"basic_auth: { users: { alice: [a] } }", "needs a hash for the user 'alice'"},
           {"basic_auth: { users: { \"a:b\": \"" + hash + "\" } }", "no ':'"},
           {"basic_auth: { users: { \"\\n\": \"" + hash + "\" } }", "no control byte"},
           {"basic_auth: { users: { \" a\": \"" + hash + "\" } }", "no space at an end"},
           {"basic_auth: { users_file: /nowhere/users }",
            "cannot use '/nowhere/users': No such file or directory"},
           {filter("realm: \"\""), "printable ASCII"},
           {filter("realm: \"a\\r\\nX: y\""), "printable ASCII"},
           {filter("user_header: Authorization"), "that Sluice does not use itself"},
           {filter("user_header: X_User"), "that Sluice does not use itself"},
           {filter("user_header: X-Forwarded-For"), "that Sluice does not use itself"},
           {filter("forward_authorization: maybe"), "true or false"},
           {filter("cache: off"), "entries, ttl and failure_ttl"},
           {filter("cache: { entries: 1000001 }"), "from 0 to 1000000"},
           {filter("cache: { ttl: 0 }"), "from 1s to 1d"},
           {filter("cache: { failure_ttl: 2h }"), "from 0"},
           {filter("queue: 0"), "from 1 to 1000"},
           {filter("waiting: 0"), "from 1 to 100000"},
           {filter("cashe: {}"), "did you mean 'cache'?"},
       }) {
    const std::string errors = errors_of(text);
    EXPECT_NE(errors.find(part), std::string::npos) << text << "\n" << errors;
  }
}

TEST(BasicAuth, a_refused_hash_is_not_repeated_for_it_may_be_a_password) {
  const std::string errors = errors_of("basic_auth: { users: { alice: opensesame } }");
  EXPECT_EQ(errors.find("opensesame"), std::string::npos) << errors;
  EXPECT_NE(errors.find("test.yaml:4:"), std::string::npos) << errors;
  EXPECT_NE(errors.find("the password of 'alice' must be a hash by bcrypt"), std::string::npos)
      << errors;
  const std::string of_file = errors_of_file("alice:opensesame\n");
  EXPECT_EQ(of_file.find("opensesame"), std::string::npos) << of_file;
}

TEST(BasicAuth, a_file_of_htpasswd_is_read) {
  const auto basic = read_file("# people\n\n  \nbob:" + other_hash + "\r\nalice:" + hash +
                               ":a comment\nzo\xc3\xab smith:" + hash);
  ASSERT_NE(basic, nullptr);
  ASSERT_EQ(basic->users.size(), 3U);
  EXPECT_EQ(basic->users[0].name, "alice");
  EXPECT_EQ(basic->users[0].hash->text(), hash);
  EXPECT_EQ(basic->users[1].name, "bob");
  EXPECT_EQ(basic->users[1].hash->text(), other_hash);
  EXPECT_EQ(basic->users[2].name, "zo\xc3\xab smith");
}

TEST(BasicAuth, errors_of_a_file_name_its_line) {
  const std::string path = "listeners[0].filters.basic_auth.users_file: ";
  const std::string errors = errors_of_file(
      "alice:" + hash + "\nbob\n\ncarol:{SHA}abc=\nalice:" + other_hash + "\n:" + hash + "\n");
  EXPECT_NE(errors.find("FILE:2:1: " + path + "must be name:hash"), std::string::npos) << errors;
  EXPECT_NE(errors.find("FILE:4:1: " + path + "the password of 'carol' must be a hash"),
            std::string::npos)
      << errors;
  EXPECT_NE(errors.find("FILE:5:1: " + path + "the user 'alice' is there twice"), std::string::npos)
      << errors;
  EXPECT_NE(errors.find("FILE:6:1: " + path + "a user's name must have"), std::string::npos)
      << errors;
}

TEST(BasicAuth, a_file_without_users_is_an_error) {
  EXPECT_NE(errors_of_file("# nobody\n").find("has no user: nobody could log in"),
            std::string::npos);
}

TEST(BasicAuth, users_of_both_places_may_log_in_but_none_twice) {
  const UsersFile file("bob:" + other_hash + "\n");
  const auto both = read(filter("users_file: \"" + file.path() + '"'));
  ASSERT_NE(both, nullptr);
  EXPECT_EQ(both->users.size(), 2U);
  const std::string errors =
      errors_of_file("alice:" + other_hash + "\n", ", users: { alice: \"" + hash + "\" }");
  EXPECT_NE(errors.find("FILE:1:1: listeners[0].filters.basic_auth.users_file: the user 'alice' is "
                        "there twice"),
            std::string::npos)
      << errors;
}

TEST(BasicAuth, unknown_names_are_verified_with_the_hash_of_some_user_always_the_same) {
  const auto basic =
      read("basic_auth: { users: { alice: \"" + hash + "\", bob: \"" + other_hash + "\" } }");
  ASSERT_NE(basic, nullptr);
  EXPECT_TRUE(basic->account_of("alice").is_known);
  EXPECT_EQ(basic->account_of("alice").hash->text(), hash);
  EXPECT_EQ(basic->account_of("bob").hash->text(), other_hash);
  std::size_t as_alice = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string name = "mallory" + std::to_string(i);
    const BasicAuth::Account account = basic->account_of(name);
    EXPECT_FALSE(account.is_known);
    EXPECT_EQ(account.hash, basic->account_of(name).hash);
    as_alice += account.hash->text() == hash ? 1 : 0;
  }
  EXPECT_GT(as_alice, 10U);
  EXPECT_LT(as_alice, 90U);
}

TEST(BasicAuth, a_reload_keeps_the_cache_while_its_settings_stay) {
  config::Problems problems;
  const auto read_after = [&](const std::string& text, const Filters* former) {
    const auto model = load_listener("    filters: { " + text + " }\n", problems);
    const config::Listener& listener = model->listeners[0];
    return read_filters(*listener.filters, {}, {groups(), listener, former}, problems);
  };
  const Filters first = read_after(filter(), nullptr);
  const Filters same = read_after(filter("realm: other"), &first);
  const Filters other = read_after(filter("cache: { ttl: 1m }"), &first);
  EXPECT_EQ(text_of(problems), "");
  EXPECT_EQ(first.basic_auth->cache, same.basic_auth->cache);
  EXPECT_NE(first.basic_auth->cache, other.basic_auth->cache);
}

// --- together with jwt --------------------------------------------------------------------------

std::string errors_of_table(const std::string& listener) {
  config::Problems problems;
  const auto model = load_listener(listener, problems);
  if (model) (void)Table::build(model->listeners[0], groups(), problems);
  return text_of(problems);
}

std::string jwt(const std::string& place) {
  return "jwt: { jwks: { url: \"https://idp.test/keys\" }, issuer: a, audience: b" + place + " }";
}

TEST(BasicAuth, with_jwt_it_cannot_share_the_field_authorization) {
  const std::string action = "        action: { forward: api }\n";
  const std::string rule =
      "    rules:\n      - priority: 1\n        conditions: [ { path: /a } ]\n";
  const std::string what = "a request has that field once";
  std::string errors =
      errors_of_table(rule + action + "        filters: { " + filter() + ", " + jwt("") + " }\n");
  EXPECT_NE(errors.find("rules[0].filters: has basic_auth, and jwt"), std::string::npos) << errors;
  EXPECT_NE(errors.find(what), std::string::npos) << errors;
  // One of the listener's.
  errors = errors_of_table("    filters: { " + filter() + " }\n" + rule + action +
                           "        filters: { " + jwt("") + " }\n");
  EXPECT_NE(errors.find("rules[0].filters: has basic_auth, and jwt"), std::string::npos) << errors;
  // Both of the listener's.
  errors = errors_of_table("    filters: { " + filter() + ", " + jwt("") + " }\n" + rule + action +
                           "    default_action: { forward: api }\n");
  EXPECT_NE(errors.find("listeners[0].filters: has basic_auth, and jwt"), std::string::npos)
      << errors;
  EXPECT_EQ(errors.find(what, errors.find(what) + 1), std::string::npos) << errors;

  EXPECT_EQ(errors_of_table("    filters: { " + filter() + " }\n" + rule + action +
                            "        filters: { basic_auth: off, " + jwt("") + " }\n"),
            "");
  EXPECT_EQ(errors_of_table(rule + action + "        filters: { " + filter() + ", " +
                            jwt(", token: { cookie: t }") + " }\n"),
            "");
}

}  // namespace
}  // namespace sluice::route::testing
