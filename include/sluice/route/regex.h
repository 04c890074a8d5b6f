// Regular expressions that cannot be made slow: RE2 searches in time linear in the text, and what a
// compiled expression may hold is bounded. The only door of RE2.
//
// Bytes, not characters: text from the network need not be UTF-8, so `.` is one byte and a letter
// beyond ASCII is the bytes it has in the configuration. Values; what is const, from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::route {

// What takes the place of a match: text in which `$1` to `$9` stand for groups of the expression,
// `$0` for all of the match and `$$` for a dollar sign. Cut when the configuration is read; what a
// group brings is never read again (T27).
struct Replacement {
  struct Piece {
    int group = -1;  // of the expression; -1: `literal`
    std::string literal;
    bool operator==(const Piece&) const = default;
  };
  std::vector<Piece> pieces;
  bool operator==(const Replacement&) const = default;
};

class Regex {
 public:
  static constexpr std::size_t pattern_bytes_max = 1024;

  // Nothing when the pattern is empty, longer than `pattern_bytes_max`, not RE2's syntax, or needs
  // more memory than it may have; `error` then says which.
  [[nodiscard]] static std::optional<Regex> compile(std::string_view pattern, std::string& error,
                                                    bool ignore_case = false);

  // Anywhere in the text; `^` and `$` tie it to the ends.
  [[nodiscard]] bool is_found_in(std::string_view text) const;

  // Nothing when `text` names a group that the expression does not have, has a lonely `$`, or is
  // longer than `pattern_bytes_max`; `error` then says which.
  [[nodiscard]] std::optional<Replacement> parse_replacement(std::string_view text,
                                                             std::string& error) const;

  enum class Outcome : std::uint8_t { no_match, replaced, too_long };
  // `out` becomes `text` with its first match replaced; what stands around the match stays. Only
  // with `replaced` does `out` mean anything, and then it has at most `limit` bytes.
  [[nodiscard]] Outcome replace_first(std::string_view text, const Replacement& by,
                                      std::size_t limit, std::string& out) const;

  // As it was given.
  [[nodiscard]] std::string pattern() const;
  // The same in RE2's syntax alone, with whether case counts.
  [[nodiscard]] const std::string& text() const;

 private:
  struct Compiled;
  explicit Regex(std::shared_ptr<const Compiled> compiled);
  std::shared_ptr<const Compiled> compiled_;
};

// Many expressions, searched for in one pass over the text: its time does not depend on how many
// they are, once the automaton knows such texts.
class RegexSet {
 public:
  // Texts in RE2's syntax. Nothing when one is wrong or all need more memory than a set may have.
  [[nodiscard]] static std::optional<RegexSet> compile(const std::vector<std::string>& texts);

  // Indices into `texts` of all that are found, in no order; null when that cannot be told, for the
  // text is very long or the memory ran out: any of them may be in it. Valid until this thread's
  // next call, of any set. Allocates when there are some, not for none.
  [[nodiscard]] const std::vector<int>* find_in(std::string_view text) const;

 private:
  struct Compiled;
  explicit RegexSet(std::shared_ptr<const Compiled> compiled);
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace sluice::route
