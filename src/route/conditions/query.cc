// query: { key: version, value: v1 } or a list of such - a parameter of the query has this key and
// this value, both without case, with ALB's wildcards, where `\*`, `\?` and `\\` stand for `*`, `?`
// and `\`. Without `key` the value of any parameter counts, and one that is nothing but a value;
// without `value` any value does. Parameters are separated by `&` and percent-decoded once, for
// that is how targets read them: what could be written as `%61dmin` would pass by a rule that
// compares what was sent. `+` is not decoded: what it means is up to the target.
#include <utility>

#include "route/anchor.h"
#include "route/conditions/anchoring.h"
#include "route/conditions/forms.h"
#include "route/conditions/makers.h"
#include "route/conditions/values.h"

namespace sluice::route {
namespace {

Subject subject_of(const Query::Pair& pair) {
  if (pair.key && pair.key->kind() == Pattern::Kind::exact) {
    return {SubjectKind::query, pair.key->compiled()};
  }
  return {SubjectKind::query_value, {}};
}

bool matches_pair(const Query::Pair& pair, const Parameter& parameter) {
  if (pair.key) return pair.key->matches(parameter.key) && pair.value.matches(parameter.value);
  return pair.value.matches(parameter.has_equals ? parameter.value : parameter.key);
}

std::optional<Pattern> read_text(const config::Node& node, std::string_view key,
                                 config::Problems& problems) {
  const auto value = node.get(key);
  if (!value) return Pattern::glob("*", Escapes::none, Case::ignored);
  const auto text = value->as_string(problems);
  // An empty value is one that requests have: `?debug` and `?debug=`.
  if (!text || !is_good_text(*value, *text, key == "key" ? 1 : 0, problems)) return std::nullopt;
  return Pattern::glob(*text, Escapes::backslash, Case::ignored);
}

std::optional<Query::Pair> read_pair(const config::Node& node, config::Problems& problems) {
  if (node.kind() != config::Node::Kind::mapping || (!node.get("key") && !node.get("value"))) {
    node.error("must be a mapping with key, value or both, such as { key: version, value: v1 }",
               problems);
    return std::nullopt;
  }
  if (!has_only_keys(node, {"key", "value"}, problems)) return std::nullopt;
  std::optional<Pattern> key = read_text(node, "key", problems);
  std::optional<Pattern> value = read_text(node, "value", problems);
  if (!key || !value) return std::nullopt;
  if (!node.get("key")) key.reset();
  return Query::Pair{std::move(key), *std::move(value)};
}

}  // namespace

Query::Query(std::vector<Pair> pairs) : Condition(Form::query), pairs_(std::move(pairs)) {}

bool Query::matches(const MatchInput& input) const {
  Parameters parameters(input.head.query);
  while (const auto parameter = parameters.next()) {
    for (const Pair& pair : pairs_) {
      if (matches_pair(pair, *parameter)) return true;
    }
  }
  return false;
}

std::string Query::text() const {
  std::string out = "query: ";
  for (const Pair& pair : pairs_) {
    if (&pair != &pairs_.front()) out += ", ";
    if (pair.key) out += pair.key->written() + '=';
    out += pair.value.written();
  }
  return out;
}

std::string Query::compared(const MatchInput& input) const {
  std::string out;
  if (!input.head.query.empty()) append_compared(out, input.head.query);
  return out.empty() ? "nothing" : out;
}

std::vector<Anchors> Query::anchors() const {
  for (const Pair& pair : pairs_) {
    // The parameters that a key with wildcards may mean are not known to an index.
    if (pair.key && pair.key->kind() != Pattern::Kind::exact) return {};
  }
  return anchors_of(pairs_, subject_of,
                    [](const Pair& pair) -> const Pattern& { return pair.value; });
}

std::unique_ptr<Condition> make_query(const config::Node& value, config::Problems& problems) {
  std::vector<config::Node> items{value};
  if (value.kind() == config::Node::Kind::sequence) items = value.items();
  if (items.empty()) value.error("needs at least one value", problems);
  std::vector<Query::Pair> pairs;
  for (const config::Node& item : items) {
    if (auto pair = read_pair(item, problems)) pairs.push_back(*std::move(pair));
  }
  if (pairs.empty() || pairs.size() != items.size()) return nullptr;
  return std::make_unique<Query>(std::move(pairs));
}

}  // namespace sluice::route
