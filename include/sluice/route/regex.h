// Regular expressions that cannot be made slow: RE2 searches in time linear in the text, and what a
// compiled expression may hold is bounded. The only door of RE2.
//
// Bytes, not characters: text from the network need not be UTF-8, so `.` is one byte and a letter
// beyond ASCII is the bytes it has in the configuration. A value; searches from any thread.
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
  [[nodiscard]] static std::optional<Regex> compile(std::string_view pattern, std::string& error);

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

 private:
  struct Compiled;
  explicit Regex(std::shared_ptr<const Compiled> compiled);
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace sluice::route
