#include "route/filters/header_edits.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "route/field_text.h"
#include "route/filters/field_kinds.h"
#include "sluice/base/text.h"
#include "sluice/http/field.h"

namespace sluice::route {
namespace {

using config::Node;
using config::Problems;
using http::FieldName;

constexpr std::size_t fields_max = 64;

bool is_certificate_field(std::string_view name) {
  return is_written_by_us(name) && http::field_name(name) == FieldName::other;
}

class Reader {
 public:
  Reader(const Node& value, ValueTemplate::Place place, Problems& problems)
      : value_(value), place_(place), problems_(problems) {}

  void read(HeaderEdits& edits) {
    if (const auto node = value_.get("rename")) read_renames(*node, edits);
    if (const auto node = value_.get("remove")) read_removals(*node, edits);
    read_fields("set", edits.sets);
    read_fields("add", edits.additions);
    read_fields("default", edits.defaults);
    if (names_.size() > fields_max) {
      value_.error("may name at most " + std::to_string(fields_max) + " fields", problems_);
    }
  }

 private:
  [[nodiscard]] bool is_for_requests() const { return place_ == ValueTemplate::Place::request; }

  // Reports a name that is none, that nobody may touch, or that was there before.
  bool take_name(const Node& node, const std::string& name) {
    if (!is_field_name(name)) {
      node.error("is not the name of a header field: '" + name + "'", problems_);
      return false;
    }
    if (http::field_name(name) == FieldName::host) {
      node.error(is_for_requests() ? "Host is changed by the filter rewrite: { host: NAME }"
                                   : "Host is not a field of answers",
                 problems_);
      return false;
    }
    if (belongs_to_connection(name)) {
      node.error(name + " belongs to the connection or to the framing of the message", problems_);
      return false;
    }
    if (http::is_alias_of_protected(name)) {
      node.error(name +
                     " is read by many targets as a field that Sluice sets or trusts; spell it "
                     "with '-'",
                 problems_);
      return false;
    }
    std::string lower = base::to_lower(name);
    if (std::ranges::find(names_, lower) != names_.end()) {
      node.error(name + " is named twice", problems_);
      return false;
    }
    names_.push_back(std::move(lower));
    return true;
  }

  // `what` with a field of ours would leave two of them, or never hold.
  bool may_be_beside_ours(const Node& node, const std::string& name, std::string_view what) {
    if (!is_for_requests() || !is_written_by_us(name)) return true;
    node.error(name + " is written by Sluice into every request: it can be set or removed, not " +
                   std::string(what),
               problems_);
    return false;
  }

  // Calls `use(name, value)` for each member; one without a value is reported, for
  // `X-A: #{host}` without quotes is a comment.
  template <typename Use>
  void for_each_member(const Node& node, Use use) {
    if (node.kind() != Node::Kind::mapping) {
      node.error("must be a mapping of header names, not " + node.quoted(), problems_);
      return;
    }
    for (const std::string& name : node.keys()) {
      const auto value = node.get(name);
      if (value) {
        use(name, *value);
      } else {
        problems_.error(node.position(), node.path_of(name),
                        "needs a value; one with #{...} has to stand in quotes");
      }
    }
  }

  void read_renames(const Node& node, HeaderEdits& edits) {
    for_each_member(node, [&](const std::string& from, const Node& value) {
      const auto to = value.as_string(problems_);
      if (!to || !take_name(value, from) || !take_name(value, *to)) return;
      if (!is_certificate_field(from) && !may_be_beside_ours(value, from, "renamed")) return;
      if (!may_be_beside_ours(value, *to, "what another is renamed to")) return;
      edits.renames.push_back({from, *to});
    });
  }

  void read_removals(const Node& node, HeaderEdits& edits) {
    for (const std::string& name : node.as_strings(problems_)) {
      if (take_name(node, name)) edits.removals.push_back(name);
    }
  }

  void read_value(const std::string& name, const Node& value, std::vector<HeaderEdits::Field>& to) {
    auto text = ValueTemplate::parse(value, place_, problems_);
    if (!text) return;
    if (*text == ValueTemplate()) {
      value.error("must not be empty; `remove` takes fields away", problems_);
      return;
    }
    to.push_back({name, *std::move(text)});
  }

  void read_fields(std::string_view key, std::vector<HeaderEdits::Field>& to) {
    const auto node = value_.get(key);
    if (!node) return;
    for_each_member(*node, [&](const std::string& name, const Node& value) {
      if (!take_name(value, name)) return;
      if (key == "add" && !may_be_beside_ours(value, name, "added")) return;
      if (key == "default" && !may_be_beside_ours(value, name, "given a default")) return;
      if (key == "add" && value.kind() == Node::Kind::sequence) {
        for (const Node& item : value.items()) read_value(name, item, to);
      } else {
        read_value(name, value, to);
      }
      if (to.size() > fields_max) {
        value.error("is one field too many; at most " + std::to_string(fields_max), problems_);
      }
    });
  }

  const Node& value_;
  ValueTemplate::Place place_;
  Problems& problems_;
  std::vector<std::string> names_;  // in lower case
};

}  // namespace

std::shared_ptr<const HeaderEdits> read_header_edits(const Node& value, ValueTemplate::Place place,
                                                     Problems& problems) {
  if (value.kind() != Node::Kind::mapping || value.keys().empty()) {
    value.error(
        "must be a mapping with any of set, add, default, remove, rename, such as "
        "{ set: { X-Name: value } }, not " +
            value.quoted(),
        problems);
    return nullptr;
  }
  Problems found;
  value.allow_keys({"set", "add", "default", "remove", "rename"}, found);
  HeaderEdits edits;
  Reader(value, place, found).read(edits);
  problems.add(found, "");
  if (found.has_errors()) return nullptr;
  return std::make_shared<const HeaderEdits>(std::move(edits));
}

}  // namespace sluice::route
