#include "route/glob.h"

#include <cstddef>

namespace sluice::route {

// After a mismatch only the last star needs to take one byte more: whatever an earlier star could
// take instead, the last one can take as well. Hence one point of return, no recursion, and no
// pattern that makes it exponential (T19).
bool glob_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;  // of the last star in the pattern
  std::size_t star_end = 0;                   // of the text that this star takes
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      if (p + 1 == pattern.size()) return true;
      star = p++;
      star_end = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_end;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace sluice::route
