#include "sluice/net/password_hash.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::net {
namespace {

using Verdict = PasswordHash::Verdict;

PasswordHash parse(const std::string& text) {
  std::string error;
  auto hash = PasswordHash::parse(text, error);
  EXPECT_TRUE(hash.has_value()) << text << ": " << error;
  return *hash;
}

std::string error_of(const std::string& text) {
  std::string error;
  EXPECT_FALSE(PasswordHash::parse(text, error).has_value()) << text;
  EXPECT_FALSE(error.empty());
  return error;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// All of them of "correct horse", made by the tools that people have.
const std::string by_htpasswd =  // htpasswd -nbB -C 4
    "$2y$04$MuqL1RdfhIm.SpGXbs5EeOVN0nzWupNp9a5VRjkf5ggWBvw2z.wKS";
const std::string by_mkpasswd_bcrypt =  // mkpasswd -m bcrypt -R 4
    "$2b$05$BIK4739wk3vcbRkkHZRlS.zCul8L6y5eLoO7bQxoCUz9tm2/geYZi";
const std::string by_mkpasswd_bcrypt_a =  // mkpasswd -m bcrypt-a -R 4
    "$2a$05$hTiWYQrGCRHWn3aw11OPCO7FVBUmhCRLN0aIVnZML8yJ.3EqHDjAG";
const std::string by_mkpasswd =  // mkpasswd -m yescrypt
    "$y$j9T$BRNQIbTzMRSolqdMB8vQ50$i7AS/FDFYX6P.u/DAjK2K3MQyFnOHkvAzIdV0eSWsm2";
const std::string by_mkpasswd_cheap =  // mkpasswd -m yescrypt -R 1
    "$y$j75$gLIZ4NnlDnGCTdL11SOxC0$SaOFigdC6dhQr.lPt97VauSm2jk2CNzPfvOKxObOLH4";
const std::string by_argon2 =  // argon2 somesalt -id -t 2 -k 1024 -p 2 -e
    "$argon2id$v=19$m=1024,t=2,p=2$c29tZXNhbHQ$lI7uT8tMGPws0s7vIM03gjVckqk4fOLUCGgv80S3TUU";
const std::string by_argon2_cheap =  // argon2 somesalt -id -t 1 -k 64 -p 1 -e
    "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$3j0+S6gGV20Zdm+eoztdkLUvOKbucBG7gA8asDqV4P8";

TEST(PasswordHash, the_password_of_each_tool_s_hash_matches_and_others_do_not) {
  for (const std::string& text : {by_htpasswd, by_mkpasswd_bcrypt, by_mkpasswd_bcrypt_a,
                                  by_mkpasswd, by_mkpasswd_cheap, by_argon2, by_argon2_cheap}) {
    const PasswordHash hash = parse(text);
    EXPECT_EQ(hash.text(), text);
    EXPECT_EQ(hash.check("correct horse"), Verdict::matches) << text;
    for (const char* wrong : {"", "correct", "Correct horse", "correct horse "}) {
      EXPECT_EQ(hash.check(wrong), Verdict::differs) << text << ": " << wrong;
    }
  }
}

TEST(PasswordHash, what_stands_behind_a_nul_is_not_cut_off) {
  const std::string longer = std::string("correct horse") + '\0' + "more";
  EXPECT_EQ(parse(by_htpasswd).check(longer), Verdict::differs);
  EXPECT_EQ(parse(by_argon2_cheap).check(longer), Verdict::differs);
}

TEST(PasswordHash, longer_passwords_than_the_libraries_take_are_wrong) {
  const std::string longest(PasswordHash::password_bytes_max, 'x');
  EXPECT_EQ(parse(by_mkpasswd_cheap).check(longest), Verdict::differs);
  EXPECT_EQ(parse(by_mkpasswd_cheap).check(longest + "x"), Verdict::differs);
}

TEST(PasswordHash, every_byte_of_a_hash_counts) {
  for (const std::string& text : {by_htpasswd, by_mkpasswd_cheap, by_argon2_cheap}) {
    std::string other = text;
    char& byte = other[text.size() - 5];
    byte = byte == 'a' ? 'b' : 'a';
    EXPECT_EQ(parse(other).check("correct horse"), Verdict::differs) << text;
  }
}

// The last character of 22 has four bits that no octet uses; some tools set them.
TEST(PasswordHash, bits_of_a_bcrypt_salt_that_mean_nothing_are_not_compared) {
  std::string other = by_htpasswd;
  ASSERT_EQ(other[28], 'O');
  other[28] = 'P';
  EXPECT_EQ(parse(other).check("correct horse"), Verdict::matches);
}

TEST(PasswordHash, other_kinds_are_refused_with_the_way_to_make_one) {
  for (const char* text :
       {"", "secret", "b4TiMIe0/povY", "$apr1$7x53qe67$lCs0I2Kp1RpkN33Aat9Kc1",
        "{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=", "{SSHA}abc", "{PLAIN}secret",
        "$1$7x53qe67$lCs0I2Kp1RpkN33Aat9Kc1", "$5$salt$hash", "$6$salt$hash", "$7$CU..../....x$y",
        "$gy$j9T$salt$hash", "$2x$04$MuqL1RdfhIm.SpGXbs5EeOVN0nzWupNp9a5VRjkf5ggWBvw2z.wKS",
        "$argon2i$v=19$m=1024,t=2,p=2$c29tZXNhbHQ$Y6NT+mYhlik/QeellFpZSO3ImwCpk7hf2eOeGfCVeYY",
        "$argon2d$v=19$m=1024,t=2,p=2$c29tZXNhbHQ$Y6NT+mYhlik/QeellFpZSO3ImwCpk7hf2eOeGfCVeYY"}) {
    const std::string error = error_of(text);
    EXPECT_TRUE(has(error, "mkpasswd -m yescrypt") && has(error, "htpasswd -B")) << error;
    EXPECT_TRUE(*text == '\0' || !has(error, text)) << "the text may be a password: " << error;
  }
}

TEST(PasswordHash, halves_of_hashes_are_refused) {
  for (const std::string& text : {by_htpasswd, by_mkpasswd, by_argon2}) {
    for (std::size_t size = text.starts_with("$2") ? 4 : 10; size < text.size(); ++size) {
      if (text == by_argon2 && size >= text.size() - 22) break;  // a shorter digest is whole
      (void)error_of(text.substr(0, size));
    }
    (void)error_of(text + "!");
    (void)error_of(text + std::string(600, 'a'));
  }
}

std::string bcrypt_of_cost(const std::string& cost) {
  return "$2y$" + cost + by_htpasswd.substr(6);
}

TEST(PasswordHash, bcrypt_s_cost_is_bounded) {
  for (const char* cost : {"04", "10", "14"}) (void)parse(bcrypt_of_cost(cost));
  for (const char* cost : {"00", "03", "15", "20", "31", "99", "-1", " 4", "4x"}) {
    EXPECT_TRUE(has(error_of(bcrypt_of_cost(cost)), "4 to 14")) << cost;
  }
}

std::string yescrypt_with(const std::string& parameters) {
  return "$y$" + parameters + by_mkpasswd.substr(6);
}

TEST(PasswordHash, yescrypt_s_memory_is_bounded) {
  // mkpasswd -m yescrypt -R 9 and 11: 256 MiB and 1 GiB.
  for (const char* parameters : {"j75", "j9T", "jDT"}) (void)parse(yescrypt_with(parameters));
  for (const char* parameters : {"jET", "jFT", "jzz", "jT9", "", "j", "j9", ".9T", "/9T", "j9T0",
                                 "j9T/0", "i9T", "j9z", "jj.", "jk."}) {
    EXPECT_TRUE(has(error_of(yescrypt_with(parameters)), "256 MiB")) << parameters;
  }
}

// As libxcrypt decodes it: one that it refuses would fail at each login.
TEST(PasswordHash, a_salt_of_yescrypt_that_the_library_refuses_is_refused_at_once) {
  const auto with_salt = [](const std::string& salt) {
    return "$y$j75$" + salt + by_mkpasswd_cheap.substr(by_mkpasswd_cheap.rfind('$'));
  };
  for (const std::string& good : {std::string("a."), std::string("a1"), std::string("aaD"),
                                  std::string("aaaa"), std::string(84, 'a') + "a1"}) {
    EXPECT_EQ(parse(with_salt(good)).check("x"), Verdict::differs) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("a"), std::string("a2"), std::string("aaE"),
        std::string("aaaaa"), std::string("a!"), std::string(86, 'a'), std::string(88, 'a')}) {
    EXPECT_TRUE(has(error_of(with_salt(bad)), "no whole yescrypt hash")) << bad;
  }
}

std::string argon2_with(const std::string& parameters) {
  return "$argon2id$" + parameters + by_argon2_cheap.substr(by_argon2_cheap.find("$c29"));
}

TEST(PasswordHash, argon2_s_memory_passes_and_lanes_are_bounded) {
  for (const char* good : {"v=19$m=8,t=1,p=1", "v=19$m=262144,t=4,p=1", "v=19$m=19456,t=2,p=1",
                           "v=19$m=65536,t=3,p=4", "v=19$m=128,t=8192,p=16"}) {
    (void)parse(argon2_with(good));
  }
  for (const char* bad :
       {"v=19$m=262145,t=1,p=1", "v=19$m=262144,t=5,p=1", "v=19$m=65536,t=17,p=1",
        "v=19$m=65536,t=0,p=1", "v=19$m=65536,t=1,p=0", "v=19$m=65536,t=1,p=17", "v=19$m=7,t=1,p=1",
        "v=19$m=8,t=1,p=2", "v=19$m=4294967296,t=1,p=1", "v=19$m=64,t=4294967297,p=1"}) {
    EXPECT_TRUE(has(error_of(argon2_with(bad)), "1048576")) << bad;
  }
  for (const char* bad : {"m=64,t=1,p=1", "v=16$m=64,t=1,p=1", "v=19$t=1,m=64,p=1", "v=19$m=64,t=1",
                          "v=19$m=64,t=1,p=1,keyid=a", "v=19$m=99999999999999999999,t=1,p=1",
                          "v=19$m=,t=1,p=1", "v=19$m=-64,t=1,p=1", "v=19$m= 64,t=1,p=1"}) {
    EXPECT_TRUE(has(error_of(argon2_with(bad)), "no whole argon2id hash")) << bad;
  }
}

}  // namespace
}  // namespace sluice::net
