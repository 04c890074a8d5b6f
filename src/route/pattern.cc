#include "route/pattern.h"

#include <algorithm>
#include <utility>

#include "sluice/base/text.h"

namespace sluice::route {
namespace {

constexpr std::string_view wildcard_bytes{"\x01\x02", 2};

bool begins_with_segments(std::string_view path, std::string_view prefix) {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

bool starts_differ(std::string_view a, std::string_view b) {
  const std::size_t both = std::min(a.size(), b.size());
  return a.substr(0, both) != b.substr(0, both);
}

bool ends_differ(std::string_view a, std::string_view b) {
  const std::size_t both = std::min(a.size(), b.size());
  return a.substr(a.size() - both) != b.substr(b.size() - both);
}

// Whether all that begins with `start` is outside of the segments.
bool leaves_segments(std::string_view start, std::string_view prefix) {
  return starts_differ(start, prefix) ||
         (start.size() > prefix.size() && start[prefix.size()] != '/');
}

// Whether a `|` outside of parentheses gives the expression several beginnings. `\Q` and what is
// not understood count as that.
bool has_alternatives(std::string_view regex) {
  std::size_t depth = 0;
  bool in_class = false;
  for (std::size_t i = 0; i < regex.size(); ++i) {
    const char c = regex[i];
    if (c == '\\') {
      if (i + 1 < regex.size() && regex[i + 1] == 'Q') return true;
      ++i;
    } else if (c == '[') {
      // In a class that has begun it is a letter, or `[:alpha:]`, where nothing ends the class too
      // early for us but a `]`; being wrong there must not hide a '|', so such ones are given up.
      if (in_class) return true;
      in_class = true;
      if (i + 1 < regex.size() && regex[i + 1] == '^') ++i;
      if (i + 1 < regex.size() && regex[i + 1] == ']') ++i;
    } else if (c == ']') {
      in_class = false;
    } else if (!in_class && c == '(') {
      ++depth;
    } else if (!in_class && c == ')') {
      if (depth > 0) --depth;
    } else if (!in_class && c == '|' && depth == 0) {
      return true;
    }
  }
  return false;
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("/_-~,;=@%&!:").find(c) != std::string_view::npos;
}

// What every match of the expression begins with, as far as it is easy to see.
std::string literal_start_of(std::string_view regex, Case letters) {
  if (!regex.starts_with('^') || has_alternatives(regex)) return {};
  std::string out;
  for (std::size_t i = 1; i < regex.size(); ++i) {
    char c = regex[i];
    const bool is_escaped = c == '\\' && i + 1 < regex.size() &&
                            std::string_view("./-").find(regex[i + 1]) != std::string_view::npos;
    if (is_escaped) {
      c = regex[++i];
    } else if (!is_plain(c)) {
      // A quantifier may take the last one away.
      if (std::string_view("*?{+").find(c) != std::string_view::npos && !out.empty())
        out.pop_back();
      break;
    }
    out += letters == Case::ignored ? base::lower(c) : c;
  }
  return out;
}

// And what it ends with. Flags in the middle, and escapes, of which more than the next letter may
// be a part, are given up.
std::string literal_end_of(std::string_view regex, Case letters) {
  if (!regex.ends_with('$') || has_alternatives(regex)) return {};
  if (regex.find("(?") != std::string_view::npos) return {};
  regex.remove_suffix(1);
  std::size_t begin = regex.size();
  while (begin > 0 && is_plain(regex[begin - 1])) --begin;
  if (begin > 0 && regex[begin - 1] == '\\') return {};
  const std::string_view end = regex.substr(begin);
  return letters == Case::ignored ? base::to_lower(end) : std::string(end);
}

void append_quoted(std::string& out, char c) {
  if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) out += '\\';
  out += c;
}

}  // namespace

Pattern Pattern::glob(std::string_view written, Escapes escapes, Case letters) {
  Pattern pattern;
  pattern.letters_ = letters;
  pattern.written_ = written;
  pattern.compiled_ = compile_glob(written, escapes, letters);
  if (pattern.compiled_.find_first_of(wildcard_bytes) != std::string::npos) {
    pattern.kind_ = Kind::wildcards;
  }
  return pattern;
}

Pattern Pattern::segments(std::string prefix) {
  Pattern pattern;
  pattern.kind_ = Kind::segments;
  pattern.written_ = prefix.empty() ? "/" : prefix;
  pattern.compiled_ = std::move(prefix);
  return pattern;
}

Pattern Pattern::regex(Regex regex, Case letters) {
  Pattern pattern;
  pattern.kind_ = Kind::regex;
  pattern.letters_ = letters;
  pattern.written_ = regex.pattern();
  pattern.compiled_ = literal_start_of(pattern.written_, letters);
  pattern.ending_ = literal_end_of(pattern.written_, letters);
  pattern.regex_ = std::move(regex);
  return pattern;
}

bool Pattern::matches(std::string_view value) const {
  switch (kind_) {
    case Kind::exact:
      return letters_ == Case::ignored ? base::equals_ignoring_case(value, compiled_)
                                       : value == compiled_;
    case Kind::wildcards: return compiled_glob_matches(compiled_, value, letters_);
    case Kind::segments: return begins_with_segments(value, compiled_);
    case Kind::regex: return regex_->is_found_in(value);
  }
  return false;
}

bool Pattern::is_any() const {
  return kind_ == Kind::wildcards && compiled_.find_first_not_of(any_text) == std::string::npos;
}

bool Pattern::covers(const Pattern& other) const {
  if (is_any()) return true;
  if (letters_ != other.letters_) return false;
  if (other.kind_ == Kind::exact) return matches(other.compiled_);
  switch (kind_) {
    case Kind::exact: return false;
    case Kind::wildcards:
      if (other.kind_ == Kind::wildcards) return glob_covers(compiled_, other.compiled_);
      return other.kind_ == Kind::segments && glob_covers(compiled_, other.compiled_) &&
             glob_covers(compiled_, other.compiled_ + "/" + any_text);
    case Kind::segments:
      if (other.kind_ == Kind::segments) return begins_with_segments(other.compiled_, compiled_);
      // What begins with the prefix and goes on with a slash. Of the asterisk form ("*") no literal
      // start says that it may be that.
      return other.literal_start().size() > compiled_.size() &&
             begins_with_segments(other.literal_start(), compiled_);
    case Kind::regex: return other.kind_ == Kind::regex && other.written_ == written_;
  }
  return false;
}

bool Pattern::excludes(const Pattern& other) const {
  if (kind_ == Kind::exact) return !other.matches(compiled_);
  if (other.kind_ == Kind::exact) return !matches(other.compiled_);
  if (kind_ == Kind::segments && other.kind_ == Kind::segments) {
    return !covers(other) && !other.covers(*this);
  }
  if (kind_ == Kind::segments) return leaves_segments(other.literal_start(), compiled_);
  if (other.kind_ == Kind::segments) return leaves_segments(literal_start(), other.compiled_);
  return starts_differ(literal_start(), other.literal_start()) ||
         ends_differ(literal_end(), other.literal_end());
}

std::string_view Pattern::literal_start() const {
  const std::string_view text = compiled_;
  return kind_ == Kind::wildcards ? text.substr(0, text.find_first_of(wildcard_bytes)) : text;
}

std::string_view Pattern::literal_end() const {
  if (kind_ == Kind::exact) return compiled_;
  if (kind_ != Kind::wildcards) return ending_;
  const std::string_view text = compiled_;
  return text.substr(text.find_last_of(wildcard_bytes) + 1);
}

std::string Pattern::regex_text() const {
  if (kind_ == Kind::regex) return regex_->text();
  std::string out = letters_ == Case::ignored ? "(?is)\\A" : "(?s)\\A";
  for (const char c : compiled_) {
    if (c == any_text) {
      out += ".*";
    } else if (c == any_byte) {
      out += '.';
    } else {
      append_quoted(out, c);
    }
  }
  return out + "\\z";
}

}  // namespace sluice::route
