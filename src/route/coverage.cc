#include "route/coverage.h"

#include <algorithm>
#include <string>

#include "route/conditions/forms.h"
#include "sluice/base/hash.h"

namespace sluice::route {
namespace {

using Form = Condition::Form;

template <typename As>
const As& as(const Condition& condition) {
  return static_cast<const As&>(condition);
}

bool all_of(const Conditions& conditions, auto holds) {
  return std::ranges::all_of(conditions, [&](const auto& each) { return holds(*each); });
}

bool any_of(const Conditions& conditions, auto holds) {
  return std::ranges::any_of(conditions, [&](const auto& each) { return holds(*each); });
}

// Each of `narrow` is covered by one of `wide`.
bool each_is_covered(const auto& wide, const auto& narrow, auto is_covered) {
  return std::ranges::all_of(narrow, [&](const auto& inner) {
    return std::ranges::any_of(wide, [&](const auto& outer) { return is_covered(outer, inner); });
  });
}

bool pair_covers(const Query::Pair& wide, const Query::Pair& narrow) {
  if (!wide.value.covers(narrow.value)) return false;
  if (wide.key) return narrow.key && wide.key->covers(*narrow.key);
  // Without a key `a` is a value, with one it is a key whose value is empty.
  return !narrow.key || wide.value.is_any() || !narrow.value.matches("");
}

bool texts_cover(const TextCondition& wide, const TextCondition& narrow) {
  return wide.subject() == narrow.subject() &&
         each_is_covered(
             wide.patterns(), narrow.patterns(),
             [](const Pattern& outer, const Pattern& inner) { return outer.covers(inner); });
}

// Of two that are neither groups nor negations.
bool plain_covers(const Condition& wide, const Condition& narrow) {
  if (wide.form() != narrow.form()) return false;
  switch (wide.form()) {
    case Form::texts: return texts_cover(as<TextCondition>(wide), as<TextCondition>(narrow));
    case Form::source_ip:
      return each_is_covered(
          as<SourceIp>(wide).ranges(), as<SourceIp>(narrow).ranges(),
          [](const base::Cidr& outer, const base::Cidr& inner) { return outer.contains(inner); });
    case Form::query:
      return each_is_covered(as<Query>(wide).pairs(), as<Query>(narrow).pairs(), pair_covers);
    case Form::not_:
    case Form::any:
    case Form::all: break;
  }
  return false;
}

bool plain_excludes(const Condition& one, const Condition& other) {
  if (one.form() != other.form()) return false;
  if (one.form() == Form::source_ip) {
    return std::ranges::none_of(as<SourceIp>(one).ranges(), [&](const base::Cidr& a) {
      return std::ranges::any_of(as<SourceIp>(other).ranges(), [&](const base::Cidr& b) {
        return a.contains(b) || b.contains(a);
      });
    });
  }
  if (one.form() != Form::texts) return false;
  const auto& a = as<TextCondition>(one);
  const auto& b = as<TextCondition>(other);
  return a.subject() == b.subject() && is_single(a.subject().kind) &&
         std::ranges::all_of(a.patterns(), [&](const Pattern& x) {
           return std::ranges::all_of(b.patterns(),
                                      [&](const Pattern& y) { return x.excludes(y); });
         });
}

std::uint64_t mark(std::string_view text) { return std::uint64_t{1} << (base::hash(text) & 63); }

std::string subject_key(const Subject& subject) {
  return std::to_string(static_cast<int>(subject.kind)) + ' ' + subject.name;
}

// What a pattern is in itself, for patterns that can be covered by few others.
std::uint64_t needed_by(const std::string& key, const Pattern& pattern) {
  if (pattern.kind() == Pattern::Kind::exact) return mark(key + " = " + pattern.compiled());
  if (pattern.kind() == Pattern::Kind::segments && !pattern.compiled().empty()) {
    return mark(key + " / " + pattern.compiled());
  }
  return 0;
}

// And the marks of all of those.
std::uint64_t had_by(const std::string& key, const Pattern& pattern) {
  std::uint64_t marks = 0;
  const std::string_view start = pattern.literal_start();
  if (pattern.kind() == Pattern::Kind::exact) marks |= mark(key + " = " + std::string(start));
  for (std::size_t end = 1; end <= start.size(); ++end) {
    if (end == start.size() || start[end] == '/') {
      marks |= mark(key + " / " + std::string(start.substr(0, end)));
    }
  }
  return marks;
}

CoverageMarks marks_of(const Condition& condition) {
  CoverageMarks marks;
  switch (condition.form()) {
    case Form::texts: {
      const auto& texts = as<TextCondition>(condition);
      const std::string key = subject_key(texts.subject());
      marks.needs = marks.has = mark(key);
      if (texts.patterns().size() == 1) marks.needs |= needed_by(key, texts.patterns().front());
      for (const Pattern& pattern : texts.patterns()) marks.has |= had_by(key, pattern);
      return marks;
    }
    case Form::source_ip: marks.needs = marks.has = mark("source_ip"); return marks;
    case Form::query: marks.needs = marks.has = mark("query"); return marks;
    // Neither says what a condition around it needs, and a group has what any of its own has. A
    // negation is covered by others that are not of its kind.
    case Form::not_: marks.has = ~std::uint64_t{0}; return marks;
    case Form::any:
    case Form::all: break;
  }
  for (const auto& inner : as<Group>(condition).conditions()) {
    const CoverageMarks own = marks_of(*inner);
    if (condition.form() == Form::all) marks.needs |= own.needs;
    marks.has |= own.has;
  }
  return marks;
}

}  // namespace

bool covers(const Condition& wide, const Condition& narrow) {
  // The narrow side first: all alternatives of it have to be covered.
  if (narrow.form() == Form::any) {
    return all_of(as<Group>(narrow).conditions(),
                  [&](const auto& each) { return covers(wide, each); });
  }
  if (wide.form() == Form::all) {
    return all_of(as<Group>(wide).conditions(),
                  [&](const auto& each) { return covers(each, narrow); });
  }
  if (wide.form() == Form::any && any_of(as<Group>(wide).conditions(),
                                         [&](const auto& each) { return covers(each, narrow); })) {
    return true;
  }
  if (narrow.form() == Form::all) {
    return any_of(as<Group>(narrow).conditions(),
                  [&](const auto& each) { return covers(wide, each); });
  }
  if (wide.form() == Form::not_) {
    const Condition& inner = as<Not>(wide).inner();
    return narrow.form() == Form::not_ ? covers(as<Not>(narrow).inner(), inner)
                                       : excludes(inner, narrow);
  }
  return plain_covers(wide, narrow);
}

bool excludes(const Condition& one, const Condition& other) {
  if (one.form() == Form::not_) return covers(as<Not>(one).inner(), other);
  if (other.form() == Form::not_) return covers(as<Not>(other).inner(), one);
  for (const auto& [group, rest] : {std::pair(&one, &other), std::pair(&other, &one)}) {
    if (group->form() != Form::any && group->form() != Form::all) continue;
    const auto is_excluded = [&](const Condition& each) { return excludes(each, *rest); };
    const Conditions& conditions = as<Group>(*group).conditions();
    return group->form() == Form::any ? all_of(conditions, is_excluded)
                                      : any_of(conditions, is_excluded);
  }
  return plain_excludes(one, other);
}

bool covers(const Conditions& wide, const Conditions& narrow) {
  return all_of(wide, [&](const Condition& outer) {
    return any_of(narrow, [&](const Condition& inner) { return covers(outer, inner); });
  });
}

CoverageMarks coverage_marks(const Conditions& conditions) {
  CoverageMarks marks;
  for (const auto& condition : conditions) {
    const CoverageMarks own = marks_of(*condition);
    marks.needs |= own.needs;
    marks.has |= own.has;
  }
  return marks;
}

}  // namespace sluice::route
