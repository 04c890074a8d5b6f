#include "control/health/matcher.h"

#include <algorithm>

#include "sluice/base/text.h"

namespace sluice::control::health {

namespace {

std::optional<std::uint16_t> parse_code(std::string_view text, std::uint16_t least,
                                        std::uint16_t most) {
  const auto code = base::parse_decimal(base::trim(text));
  if (!code || *code < least || *code > most) return std::nullopt;
  return static_cast<std::uint16_t>(*code);
}

}  // namespace

std::optional<StatusMatcher::Range> StatusMatcher::parse_range(std::string_view text,
                                                               Range allowed) {
  const std::size_t dash = text.find('-');
  const auto first = parse_code(text.substr(0, dash), allowed.first, allowed.last);
  const auto last = dash == std::string_view::npos
                        ? first
                        : parse_code(text.substr(dash + 1), allowed.first, allowed.last);
  if (!first || !last || *first > *last) return std::nullopt;
  return Range{*first, *last};
}

std::optional<StatusMatcher> StatusMatcher::parse(std::string_view text) {
  return parse(text, {least, most});
}

std::optional<StatusMatcher> StatusMatcher::parse_grpc(std::string_view text) {
  constexpr std::uint16_t most_of_grpc = 99;
  return parse(text, {0, most_of_grpc});
}

std::optional<StatusMatcher> StatusMatcher::parse(std::string_view text, Range allowed) {
  StatusMatcher matcher;
  matcher.ranges_.clear();
  for (;;) {
    const std::size_t comma = text.find(',');
    const auto range = parse_range(text.substr(0, comma), allowed);
    if (!range) return std::nullopt;
    matcher.ranges_.push_back(*range);
    if (comma == std::string_view::npos) return matcher;
    text.remove_prefix(comma + 1);
  }
}

bool StatusMatcher::matches(std::uint16_t status) const {
  return std::ranges::any_of(ranges_, [status](const Range& range) {
    return range.first <= status && status <= range.last;
  });
}

std::string StatusMatcher::text() const {
  std::string out;
  for (const Range& range : ranges_) {
    if (!out.empty()) out += ',';
    base::append_decimal(out, range.first);
    if (range.last == range.first) continue;
    out += '-';
    base::append_decimal(out, range.last);
  }
  return out;
}

std::optional<StatusMatcher> read_matcher(const config::Node& check,
                                          std::optional<StatusMatcher> (*parse)(std::string_view),
                                          std::string_view allowed, config::Problems& problems) {
  const auto given = check.get("matcher");
  if (!given) return std::nullopt;
  std::string all;
  for (const std::string& text : given->as_strings(problems)) {
    if (!all.empty()) all += ',';
    all += text;
  }
  std::optional<StatusMatcher> matcher = parse(all);
  if (!matcher) {
    given->error("must be " + std::string(allowed) + ", not " + given->quoted(), problems);
  }
  return matcher;
}

}  // namespace sluice::control::health
