// One value of a condition that compares texts: a text, a pattern with wildcards, whole segments of
// a path, or a regular expression.
//
// What it can say about itself beside `matches` is for the index of a table, which must never miss
// a match, and for the checks, which must never call a rule unreachable that is not: each answer is
// "certainly" or "not known". Built on the control thread, constant afterwards.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "route/glob.h"
#include "sluice/route/regex.h"

namespace sluice::route {

class Pattern {
 public:
  enum class Kind : std::uint8_t { exact, wildcards, segments, regex };

  // Exact when `written` has no wildcards.
  static Pattern glob(std::string_view written, Escapes escapes, Case letters);
  // `prefix` without the slash at its end; empty for the root.
  static Pattern segments(std::string prefix);
  static Pattern regex(Regex regex, Case letters);

  [[nodiscard]] bool matches(std::string_view value) const;
  [[nodiscard]] Kind kind() const { return kind_; }
  // As the configuration has it.
  [[nodiscard]] const std::string& written() const { return written_; }
  // Every value, whatever it is.
  [[nodiscard]] bool is_any() const;

  // Every value that `other` matches is matched by this one. Both for the same subject.
  [[nodiscard]] bool covers(const Pattern& other) const;
  // No value is matched by both.
  [[nodiscard]] bool excludes(const Pattern& other) const;

  // Literals that a value must begin or end with, in lower case when case is ignored. May be empty.
  [[nodiscard]] std::string_view literal_start() const;
  [[nodiscard]] std::string_view literal_end() const;
  // Exact: the value itself, in lower case when case is ignored. Segments: the prefix.
  [[nodiscard]] const std::string& compiled() const { return compiled_; }
  // The same as an expression that Regex compiles; not for exact ones and segments.
  [[nodiscard]] std::string regex_text() const;

 private:
  Kind kind_ = Kind::exact;
  Case letters_ = Case::counts;
  std::string written_;
  std::string compiled_;  // of glob.h; regex: the literal that it begins with
  std::string ending_;    // regex: the literal that it ends with
  std::optional<Regex> regex_;
};

}  // namespace sluice::route
