#include <algorithm>

#include "route/anchor.h"
#include "route/conditions/anchoring.h"
#include "route/conditions/forms.h"

namespace sluice::route {

TextCondition::TextCondition(std::string words, Subject subject, std::vector<Pattern> patterns)
    : Condition(Form::texts),
      words_(std::move(words)),
      subject_(std::move(subject)),
      patterns_(std::move(patterns)) {}

bool TextCondition::matches(const MatchInput& input) const {
  return any_value(subject_.kind, subject_.name, input, [&](std::string_view value) {
    for (const Pattern& pattern : patterns_) {
      if (pattern.matches(value)) return true;
    }
    return false;
  });
}

std::string TextCondition::text() const {
  std::string out = words_ + ": ";
  for (const Pattern& pattern : patterns_) {
    if (&pattern != &patterns_.front()) out += ", ";
    if (pattern.kind() == Pattern::Kind::regex) out += "regex ";
    out += pattern.written();
  }
  return out;
}

std::string TextCondition::compared(const MatchInput& input) const {
  std::string out;
  const bool stopped = any_value(subject_.kind, subject_.name, input, [&](std::string_view value) {
    append_compared(out, value);
    return false;
  });
  return stopped || out.empty() ? "nothing" : out;
}

std::vector<Anchors> TextCondition::anchors() const {
  return anchors_of_patterns(patterns_, [&](const Pattern&) { return subject_; });
}

void append_compared(std::string& out, std::string_view value) {
  if (!out.empty()) out += ", ";
  out.append("\"").append(value).append("\"");
}

namespace {

Anchor make_anchor(Subject subject, Anchor::Kind kind, std::string_view text, bool proves) {
  Anchor anchor{std::move(subject), kind, std::string(text), proves};
  if (case_of(anchor.subject.kind) == Case::ignored) anchor.text = base::to_lower(text);
  return anchor;
}

// Nothing when the literal is too short to tell anything: every path begins with a slash.
std::optional<Anchor> make_anchor(const Pattern& pattern, Subject subject, Anchor::Kind kind) {
  switch (pattern.kind()) {
    case Pattern::Kind::exact:
      return make_anchor(std::move(subject), Anchor::Kind::exact, pattern.compiled(), true);
    case Pattern::Kind::segments:
      if (pattern.compiled().empty()) return std::nullopt;
      return make_anchor(std::move(subject), Anchor::Kind::segments, pattern.compiled(), true);
    case Pattern::Kind::wildcards:
    case Pattern::Kind::regex: break;
  }
  const std::string_view text =
      kind == Anchor::Kind::start ? pattern.literal_start() : pattern.literal_end();
  const std::size_t least = subject.kind == SubjectKind::path ? 2 : 1;
  if (text.size() < least) return std::nullopt;
  // A literal and one star are all of the pattern.
  const bool proves = pattern.kind() == Pattern::Kind::wildcards &&
                      pattern.compiled().size() == text.size() + 1 &&
                      pattern.compiled()[kind == Anchor::Kind::start ? text.size() : 0] == any_text;
  return make_anchor(std::move(subject), kind, text, proves);
}

}  // namespace

std::optional<Anchor> start_anchor(const Pattern& pattern, Subject subject) {
  return make_anchor(pattern, std::move(subject), Anchor::Kind::start);
}

std::optional<Anchor> end_anchor(const Pattern& pattern, Subject subject) {
  return make_anchor(pattern, std::move(subject), Anchor::Kind::end);
}

std::optional<Anchor> literal_anchor(const Pattern& pattern, Subject subject) {
  const bool is_start = pattern.literal_start().size() > pattern.literal_end().size();
  return is_start ? start_anchor(pattern, std::move(subject))
                  : end_anchor(pattern, std::move(subject));
}

std::optional<Anchor> searched_anchor(const Pattern& pattern, Subject subject) {
  const bool is_search =
      pattern.kind() == Pattern::Kind::regex || pattern.kind() == Pattern::Kind::wildcards;
  if (!is_search) return literal_anchor(pattern, std::move(subject));
  // Of a host or a path nothing is learned by being there.
  const bool may_be_absent = subject.kind != SubjectKind::host && subject.kind != SubjectKind::path;
  if (pattern.is_any()) {
    if (!may_be_absent) return std::nullopt;
    return Anchor{std::move(subject), Anchor::Kind::present, {}, true};
  }
  return Anchor{std::move(subject), Anchor::Kind::regex, pattern.regex_text()};
}

}  // namespace sluice::route
