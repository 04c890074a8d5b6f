#include "route/table/trie.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "route/table/text_table.h"

namespace sluice::route {
namespace {

using Entries = std::vector<std::pair<std::string, std::uint32_t>>;

std::vector<std::uint32_t> walked(const Trie& trie, std::string_view text) {
  std::vector<std::uint32_t> numbers;
  trie.walk(text, [&](std::uint32_t number, std::size_t) { numbers.push_back(number); });
  return numbers;
}

TEST(Trie, it_finds_all_that_a_text_begins_with_the_shortest_first) {
  const Trie trie({{"ab", 1}, {"abc", 2}, {"b", 3}, {"", 4}, {"abd", 5}}, Direction::forward,
                  Case::counts);
  EXPECT_EQ(walked(trie, "abcd"), (std::vector<std::uint32_t>{4, 1, 2}));
  EXPECT_EQ(walked(trie, ""), (std::vector<std::uint32_t>{4}));
  EXPECT_EQ(walked(trie, "Ab"), (std::vector<std::uint32_t>{4}));
}

TEST(Trie, backward_it_finds_ends) {
  const Trie trie({{".com", 1}, {"e.com", 2}, {".org", 3}}, Direction::backward, Case::ignored);
  EXPECT_EQ(walked(trie, "www.EXAMPLE.com"), (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(walked(trie, "com"), (std::vector<std::uint32_t>{}));
}

TEST(Trie, it_agrees_with_comparing_each_text) {
  std::mt19937 random(3);
  const auto word = [&](std::size_t longest) {
    std::string out(random() % (longest + 1), 'a');
    for (char& c : out) c = static_cast<char>('a' + random() % 2);
    return out;
  };
  for (int round = 0; round < 300; ++round) {
    std::map<std::string, std::uint32_t> texts;
    for (std::uint32_t i = 0; i < 20; ++i) texts.emplace(word(6), i);
    const Trie trie(Entries(texts.begin(), texts.end()), Direction::forward, Case::counts);
    const TextTable table(Entries(texts.begin(), texts.end()), Case::counts);
    const std::string text = word(9);
    std::vector<std::uint32_t> expected;
    for (std::size_t size = 0; size <= text.size(); ++size) {
      const auto found = texts.find(text.substr(0, size));
      if (found != texts.end()) expected.push_back(found->second);
    }
    EXPECT_EQ(walked(trie, text), expected) << text;
    const auto same = texts.find(text);
    EXPECT_EQ(table.find(text), same == texts.end() ? nowhere : same->second);
  }
}

TEST(TextTable, case_is_ignored_only_when_it_has_to_be) {
  const Entries entries{{"content-type-of-some-length", 1}, {"x[\\]^_`{|}~@z", 2}};
  const TextTable folding(entries, Case::ignored);
  EXPECT_EQ(folding.find("Content-TYPE-of-some-LENGTH"), 1u);
  EXPECT_EQ(folding.find("X[\\]^_`{|}~@Z"), 2u);
  EXPECT_EQ(folding.find("x{|}^_@[\\]~`z"), nowhere);
  EXPECT_EQ(TextTable(entries, Case::counts).find("Content-type-of-some-length"), nowhere);
  EXPECT_EQ(TextTable().find(""), nowhere);
}

}  // namespace
}  // namespace sluice::route
