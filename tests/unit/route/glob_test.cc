#include "route/glob.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::route {
namespace {

// The definition, without regard to time.
bool matches_by_definition(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() == '*') {
    for (std::size_t taken = 0; taken <= text.size(); ++taken) {
      if (matches_by_definition(pattern.substr(1), text.substr(taken))) return true;
    }
    return false;
  }
  return !text.empty() && (pattern.front() == '?' || pattern.front() == text.front()) &&
         matches_by_definition(pattern.substr(1), text.substr(1));
}

// All texts over `alphabet` of up to `length` letters.
std::vector<std::string> all_texts(std::string_view alphabet, std::size_t length) {
  std::vector<std::string> texts{""};
  std::size_t begin = 0;
  for (std::size_t size = 1; size <= length; ++size) {
    const std::size_t end = texts.size();
    for (std::size_t i = begin; i < end; ++i) {
      for (const char c : alphabet) texts.push_back(texts[i] + c);
    }
    begin = end;
  }
  return texts;
}

TEST(Glob, it_agrees_with_the_definition_on_all_short_patterns_and_texts) {
  const auto patterns = all_texts("ab*?", 5);
  const auto texts = all_texts("ab", 6);
  for (const std::string& pattern : patterns) {
    for (const std::string& text : texts) {
      ASSERT_EQ(glob_matches(pattern, text), matches_by_definition(pattern, text))
          << "pattern " << pattern << " text " << text;
    }
  }
}

TEST(Glob, a_star_takes_slashes_too) { EXPECT_TRUE(glob_matches("/img/*.png", "/img/a/b.png")); }

TEST(Glob, case_counts) { EXPECT_FALSE(glob_matches("/API", "/api")); }

// T19. A matcher that tries all splits would take 2^40 steps and more here.
TEST(Glob, many_stars_do_not_make_it_exponential) {
  std::string pattern;
  for (int i = 0; i < 40; ++i) pattern += "*a";
  EXPECT_FALSE(glob_matches(pattern + "*b", std::string(16 * 1024, 'a')));
}

}  // namespace
}  // namespace sluice::route
