#include "sluice/route/regex.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace sluice::route {

namespace {

// Of the program and the automaton built while searching. `(a{1000}){1000}` needs far more and is
// refused; when the automaton runs out of room RE2 goes on more slowly, still in linear time.
constexpr std::int64_t memory_max = 1 << 20;

constexpr int groups_max = 9;  // that a replacement can name

RE2::Options options() {
  RE2::Options made(RE2::Latin1);
  made.set_max_mem(memory_max);
  made.set_log_errors(false);
  return made;
}

}  // namespace

struct Regex::Compiled {
  explicit Compiled(std::string_view pattern)
      : regex(re2::StringPiece(pattern.data(), pattern.size()), options()) {}
  RE2 regex;
};

Regex::Regex(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}

std::optional<Regex> Regex::compile(std::string_view pattern, std::string& error) {
  if (pattern.empty() || pattern.size() > pattern_bytes_max) {
    error = "must have 1 to " + std::to_string(pattern_bytes_max) + " bytes";
    return std::nullopt;
  }
  auto compiled = std::make_shared<const Compiled>(pattern);
  if (!compiled->regex.ok()) {
    error = compiled->regex.error();
    return std::nullopt;
  }
  return Regex(std::move(compiled));
}

bool Regex::is_found_in(std::string_view text) const {
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), compiled_->regex);
}

std::optional<Replacement> Regex::parse_replacement(std::string_view text,
                                                    std::string& error) const {
  if (text.size() > pattern_bytes_max) {
    error = "must have at most " + std::to_string(pattern_bytes_max) + " bytes";
    return std::nullopt;
  }
  const int groups = std::min(compiled_->regex.NumberOfCapturingGroups(), groups_max);
  Replacement replacement;
  while (!text.empty()) {
    const std::size_t mark = text.find('$');
    if (mark > 0) replacement.pieces.push_back({.literal = std::string(text.substr(0, mark))});
    if (mark == std::string_view::npos) break;
    const char named = mark + 1 < text.size() ? text[mark + 1] : '\0';
    if (named == '$') {
      replacement.pieces.push_back({.literal = "$"});
    } else if (named >= '0' && named <= '0' + groups) {
      replacement.pieces.push_back({.group = named - '0', .literal = {}});
    } else {
      error = "has a $ that is neither $$ nor one of the groups $0 to $" + std::to_string(groups) +
              " of its regex";
      return std::nullopt;
    }
    text.remove_prefix(mark + 2);
  }
  return replacement;
}

Regex::Outcome Regex::replace_first(std::string_view text, const Replacement& by, std::size_t limit,
                                    std::string& out) const {
  std::array<re2::StringPiece, groups_max + 1> found;
  const int count = std::min(compiled_->regex.NumberOfCapturingGroups(), groups_max) + 1;
  if (!compiled_->regex.Match(re2::StringPiece(text.data(), text.size()), 0, text.size(),
                              RE2::UNANCHORED, found.data(), count)) {
    return Outcome::no_match;
  }
  const auto begin = static_cast<std::size_t>(found[0].data() - text.data());
  const std::string_view rest = text.substr(begin + found[0].size());
  out.assign(text.substr(0, begin));
  for (const Replacement::Piece& piece : by.pieces) {
    if (piece.group < 0) {
      out += piece.literal;
    } else {
      // A group that took no part is empty.
      const re2::StringPiece& group = found[static_cast<std::size_t>(piece.group)];
      out.append(group.data() == nullptr ? "" : group.data(), group.size());
    }
    if (out.size() > limit) return Outcome::too_long;
  }
  out += rest;
  return out.size() > limit ? Outcome::too_long : Outcome::replaced;
}

}  // namespace sluice::route
