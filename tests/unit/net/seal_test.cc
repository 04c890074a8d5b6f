#include "sluice/net/seal.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace sluice::net {
namespace {

using Secrets = std::vector<std::string>;

const std::string first_secret(32, 'a');
const std::string second_secret(32, 'b');

bool is_base64url(std::string_view text) {
  return text.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
         std::string_view::npos;
}

TEST(Sealer, what_was_sealed_opens_and_shows_nothing) {
  const Sealer sealer(Secrets{first_secret});
  // Every remainder of base64's groups of three octets.
  for (const std::string& plain :
       {std::string(), std::string("1"), std::string("12"), std::string("123"),
        std::string("10.0.1.11:8080"), std::string("\0\xff\n;\"", 5),
        std::string(Sealer::plain_bytes_max, 'x')}) {
    const std::string sealed = sealer.seal(plain, "group");
    EXPECT_TRUE(is_base64url(sealed)) << sealed;
    EXPECT_LE(sealed.size(), Sealer::sealed_bytes_max);
    EXPECT_EQ(sealed.size(), ((plain.size() + Sealer::overhead_bytes) * 4 + 2) / 3);
    EXPECT_EQ(sealed.find("10.0"), std::string::npos);
    EXPECT_EQ(sealer.open(sealed, "group"), plain);
  }
}

TEST(Sealer, the_same_text_is_sealed_in_another_way_each_time) {
  const Sealer sealer(Secrets{first_secret});
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(sealer.seal("same", "group"));
  EXPECT_EQ(seen.size(), 1000U);
}

TEST(Sealer, every_changed_character_is_noticed) {
  const Sealer sealer(Secrets{first_secret});
  // Two lengths that leave bits over in the last character, and one that does not.
  for (const std::string plain : {"10.0.1.11:8080", "10.0.1.11:80801", "10.0.1.11:808012"}) {
    const std::string sealed = sealer.seal(plain, "group");
    for (std::size_t i = 0; i < sealed.size(); ++i) {
      for (const char c : std::string_view("ABQgwz09-_=+/. \0\xff", 17)) {
        std::string changed = sealed;
        changed[i] = c;
        EXPECT_EQ(sealer.open(changed, "group").has_value(), changed == sealed) << changed;
      }
    }
  }
}

TEST(Sealer, every_bit_of_the_last_character_counts) {
  const Sealer sealer(Secrets{first_secret});
  for (const std::string plain : {"", "1", "12"}) {
    const std::string sealed = sealer.seal(plain, "group");
    int opening = 0;
    for (int c = 0; c < 256; ++c) {
      const std::string changed = sealed.substr(0, sealed.size() - 1) + static_cast<char>(c);
      if (sealer.open(changed, "group").has_value()) ++opening;
    }
    EXPECT_EQ(opening, 1) << "one text, one spelling";
  }
}

TEST(Sealer, shortened_lengthened_and_joined_texts_do_not_open) {
  const Sealer sealer(Secrets{first_secret});
  const std::string sealed = sealer.seal("10.0.1.11:8080", "group");
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(sealer.open(sealed.substr(0, size), "group").has_value()) << size;
    EXPECT_FALSE(sealer.open(sealed.substr(size + 1), "group").has_value()) << size;
  }
  for (const char* const more : {"A", "AA", "AAA", "AAAA", "=", "==", " ", "\n"}) {
    EXPECT_FALSE(sealer.open(sealed + more, "group").has_value()) << more;
    EXPECT_FALSE(sealer.open(more + sealed, "group").has_value()) << more;
  }
  EXPECT_FALSE(sealer.open(sealed + sealed, "group").has_value());
}

TEST(Sealer, another_context_does_not_open_it) {
  const Sealer sealer(Secrets{first_secret});
  const std::string sealed = sealer.seal("text", "group");
  for (const char* const context : {"", "grou", "groups", "Group", "agroup"}) {
    EXPECT_FALSE(sealer.open(sealed, context).has_value()) << context;
  }
  EXPECT_EQ(sealer.open(sealer.seal("text", ""), ""), "text");
}

TEST(Sealer, instances_with_the_same_secrets_agree) {
  const Sealer one(Secrets{first_secret, second_secret});
  const Sealer other(Secrets{first_secret, second_secret});
  EXPECT_EQ(other.open(one.seal("text", "group"), "group"), "text");
  EXPECT_EQ(one.open(other.seal("text", "group"), "group"), "text");
}

TEST(Sealer, a_former_secret_opens_while_it_is_listed) {
  const Sealer before(Secrets{first_secret});
  const Sealer during(Secrets{second_secret, first_secret});
  const Sealer after(Secrets{second_secret});
  const std::string old = before.seal("old", "group");
  EXPECT_EQ(during.open(old, "group"), "old");
  EXPECT_FALSE(after.open(old, "group").has_value());
  // The first one seals.
  const std::string fresh = during.seal("new", "group");
  EXPECT_EQ(after.open(fresh, "group"), "new");
  EXPECT_FALSE(before.open(fresh, "group").has_value());
}

TEST(Sealer, each_of_sixteen_secrets_opens) {
  Secrets secrets;
  for (char c = 'a'; c < 'a' + 16; ++c) secrets.emplace_back(32, c);
  const Sealer all(secrets);
  for (const std::string& secret : secrets) {
    EXPECT_EQ(all.open(Sealer(Secrets{secret}).seal("text", "group"), "group"), "text");
  }
}

TEST(Sealer, secrets_that_differ_in_one_bit_are_strangers) {
  std::string near = first_secret;
  near.back() = static_cast<char>(near.back() ^ 1);
  const Sealer one(Secrets{first_secret});
  EXPECT_FALSE(Sealer(Secrets{near}).open(one.seal("text", "group"), "group").has_value());
  EXPECT_FALSE(
      Sealer(Secrets{first_secret + "a"}).open(one.seal("text", "group"), "group").has_value());
}

TEST(Sealer, without_secrets_each_has_a_key_of_its_own) {
  const Sealer one(Secrets{});
  const Sealer other(Secrets{});
  const std::string sealed = one.seal("text", "group");
  EXPECT_EQ(one.open(sealed, "group"), "text");
  EXPECT_FALSE(other.open(sealed, "group").has_value());
}

// Clients keep cookies over updates of the program: the form, and how keys are derived, must stay.
// Made with Python's cryptography from the description in seal.h.
TEST(Sealer, a_text_sealed_by_somebody_else_by_the_same_rules_opens) {
  const Sealer sealer(Secrets{first_secret});
  EXPECT_EQ(sealer.open("AQKX1xkAAQIDBAUGBwgJCgvw0wYGh12v9HrCOG1s__ZFjfb_GO7nEsLmtZmbfw0", "group"),
            "10.0.1.11:8080");
}

TEST(Sealer, too_long_texts_are_refused_both_ways) {
  const Sealer sealer(Secrets{first_secret});
  EXPECT_EQ(sealer.seal(std::string(Sealer::plain_bytes_max + 1, 'x'), "group"), "");
  EXPECT_FALSE(sealer.open(std::string(Sealer::sealed_bytes_max, 'A'), "group").has_value());
  EXPECT_FALSE(sealer.open(std::string(Sealer::sealed_bytes_max + 1, 'A'), "group").has_value());
  EXPECT_FALSE(sealer.open(std::string(1 << 20, 'A'), "group").has_value());
}

TEST(Sealer, a_thousand_texts_by_several_threads_at_once) {
  const Sealer sealer(Secrets{first_secret});
  std::vector<std::thread> threads;
  std::vector<int> opened(4, 0);
  for (std::size_t thread = 0; thread < opened.size(); ++thread) {
    threads.emplace_back([&sealer, &count = opened[thread], thread] {
      for (int i = 0; i < 250; ++i) {
        const std::string plain = std::to_string(thread) + "/" + std::to_string(i);
        if (sealer.open(sealer.seal(plain, "group"), "group") == plain) ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(opened, std::vector<int>(4, 250));
}

}  // namespace
}  // namespace sluice::net
