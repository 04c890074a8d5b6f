// Regular expressions that cannot be made slow: RE2 searches in time linear in the text, and what a
// compiled expression may hold is bounded. The only door of RE2.
//
// Bytes, not characters: text from the network need not be UTF-8, so `.` is one byte and a letter
// beyond ASCII is the bytes it has in the configuration. A value; `is_found_in` from any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::route {

class Regex {
 public:
  static constexpr std::size_t pattern_bytes_max = 1024;

  // Nothing when the pattern is empty, longer than `pattern_bytes_max`, not RE2's syntax, or needs
  // more memory than it may have; `error` then says which.
  [[nodiscard]] static std::optional<Regex> compile(std::string_view pattern, std::string& error);

  // Anywhere in the text; `^` and `$` tie it to the ends.
  [[nodiscard]] bool is_found_in(std::string_view text) const;

 private:
  struct Compiled;
  explicit Regex(std::shared_ptr<const Compiled> compiled);
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace sluice::route
