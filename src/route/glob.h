// ALB's wildcards: `*` stands for any text, also none and also slashes, `?` for
// exactly one byte. Everything else stands for itself, with its case.
#pragma once

#include <string>
#include <string_view>

namespace sluice::route {

// No allocation; time at most pattern times text, and linear for patterns as people write them.
[[nodiscard]] bool glob_matches(std::string_view pattern, std::string_view text);

// A compiled pattern has these bytes for the wildcards, so that `*` and `?` can be letters in it.
// No pattern of a configuration holds a control byte.
inline constexpr char any_text = '\x01';
inline constexpr char any_byte = '\x02';

enum class Escapes : bool { none, backslash };
enum class Case : bool { counts, ignored };

// With `Escapes::backslash` a backslash makes the next byte stand for itself. With `Case::ignored`
// the result is in lower case.
[[nodiscard]] std::string compile_glob(std::string_view written, Escapes escapes, Case letters);
// As glob_matches, of a compiled pattern that was made for the same `letters`.
[[nodiscard]] bool compiled_glob_matches(std::string_view pattern, std::string_view text,
                                         Case letters);
// Whether every text that `narrow` matches is also matched by `wide`. Both compiled alike. "False"
// may be wrong, for example of `?*` and `*?`.
[[nodiscard]] bool glob_covers(std::string_view wide, std::string_view narrow);

}  // namespace sluice::route
