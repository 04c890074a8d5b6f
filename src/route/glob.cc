#include "route/glob.h"

#include <cstddef>

#include "sluice/base/text.h"

namespace sluice::route {
namespace {

// After a mismatch only the last star needs to take one byte more: whatever an earlier star could
// take instead, the last one can take as well. Hence one point of return, no recursion, and no
// pattern that makes it exponential (T19). `is_same` compares a byte of the pattern that is no star
// with one of the text.
template <char star, typename Same>
bool walk(std::string_view pattern, std::string_view text, Same is_same) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t last_star = std::string_view::npos;  // in the pattern
  std::size_t star_end = 0;                        // of the text that this star takes
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == star) {
      if (p + 1 == pattern.size()) return true;
      last_star = p++;
      star_end = t;
    } else if (p < pattern.size() && is_same(pattern[p], text[t])) {
      ++p;
      ++t;
    } else if (last_star != std::string_view::npos) {
      p = last_star + 1;
      t = ++star_end;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == star) ++p;
  return p == pattern.size();
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
  return walk<'*'>(pattern, text, [](char p, char t) { return p == '?' || p == t; });
}

std::string compile_glob(std::string_view written, Escapes escapes, Case letters) {
  std::string out;
  for (std::size_t i = 0; i < written.size(); ++i) {
    char c = written[i];
    if (c == '*') {
      c = any_text;
    } else if (c == '?') {
      c = any_byte;
    } else if (c == '\\' && escapes == Escapes::backslash && i + 1 < written.size()) {
      c = written[++i];
    }
    out += letters == Case::ignored ? base::lower(c) : c;
  }
  return out;
}

bool compiled_glob_matches(std::string_view pattern, std::string_view text, Case letters) {
  if (letters == Case::counts) {
    return walk<any_text>(pattern, text, [](char p, char t) { return p == any_byte || p == t; });
  }
  return walk<any_text>(pattern, text,
                        [](char p, char t) { return p == any_byte || p == base::lower(t); });
}

bool glob_covers(std::string_view wide, std::string_view narrow) {
  return walk<any_text>(wide, narrow,
                        [](char w, char n) { return n != any_text && (w == any_byte || w == n); });
}

}  // namespace sluice::route
