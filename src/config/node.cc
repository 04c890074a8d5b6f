#include "sluice/config/node.h"

#include <algorithm>
#include <utility>

#include "config/printable.h"
#include "config/quantities.h"
#include "config/value.h"
#include "sluice/base/text.h"

namespace sluice::config {
namespace {

// Keys appear in paths, and paths in messages: an odd one must not look like two.
std::string path_part(std::string_view key) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  return !key.empty() && key.size() <= 60 && std::ranges::all_of(key, plain) ? std::string(key)
                                                                             : quote(key);
}

std::string unknown_key(std::string_view key, const std::vector<std::string_view>& known) {
  if (const auto near = nearest(key, known))
    return "unknown key; did you mean " + quote(*near) + "?";
  return "unknown key; known here: " + one_of(known);
}

// Null values need no document.
const std::shared_ptr<const Node::Value>& no_value() {
  static const auto value = std::make_shared<const Node::Value>();
  return value;
}

}  // namespace

Node::Node() : value_(no_value()) {}
Node::Node(std::shared_ptr<const Value> value, std::string path)
    : value_(std::move(value)), path_(std::move(path)) {}

Node::Kind Node::kind() const { return value_->kind; }
bool Node::is_refused() const { return value_->refused; }
const Position& Node::position() const { return value_->position; }

std::optional<Node> Node::get(std::string_view key) const {
  const auto found = std::ranges::find(value_->members, key, &Value::Member::key);
  if (found == value_->members.end() || found->value.kind == Kind::null) return std::nullopt;
  return Node(std::shared_ptr<const Value>(value_, &found->value), path_of(key));
}

std::optional<Node> Node::get_section(std::string_view key) const {
  const auto found = std::ranges::find(value_->members, key, &Value::Member::key);
  if (found == value_->members.end() || found->value.kind != Kind::null) return get(key);
  Value empty;
  empty.kind = Kind::mapping;
  empty.position = found->value.position;
  return Node(std::make_shared<const Value>(std::move(empty)), path_of(key));
}

std::vector<std::string> Node::keys() const {
  std::vector<std::string> out;
  out.reserve(value_->members.size());
  for (const Value::Member& member : value_->members) out.push_back(member.key);
  return out;
}

std::vector<Node> Node::items() const {
  std::vector<Node> out;
  out.reserve(value_->items.size());
  for (std::size_t i = 0; i < value_->items.size(); ++i) {
    out.emplace_back(std::shared_ptr<const Value>(value_, &value_->items[i]),
                     path_ + '[' + std::to_string(i) + ']');
  }
  return out;
}

void Node::allow_keys(std::initializer_list<std::string_view> known, Problems& problems) const {
  allow_keys(std::vector(known), {}, problems);
}

void Node::allow_keys(const std::vector<std::string_view>& known,
                      const std::vector<std::string_view>& not_supported,
                      Problems& problems) const {
  for (const Value::Member& member : value_->members) {
    if (std::ranges::find(known, member.key) != known.end()) continue;
    const bool later = std::ranges::find(not_supported, member.key) != not_supported.end();
    problems.error(member.key_position, path_of(member.key),
                   later ? "not supported by this version" : unknown_key(member.key, known));
  }
}

std::optional<std::string> Node::as_string(Problems& problems) const {
  if (kind() == Kind::scalar && !is_refused()) return value_->text;
  error("must be text, not " + quoted(), problems);
  return std::nullopt;
}

// YAML 1.1 also took yes, on, y and their capitals for true; a country code `no` taught everybody
// else to read only these two.
std::optional<bool> Node::as_bool(Problems& problems) const {
  if (kind() == Kind::scalar && value_->text == "true") return true;
  if (kind() == Kind::scalar && value_->text == "false") return false;
  error("must be true or false, not " + quoted(), problems);
  return std::nullopt;
}

std::optional<std::uint64_t> Node::as_integer(std::uint64_t least, std::uint64_t most,
                                              Problems& problems) const {
  const auto number = kind() == Kind::scalar ? base::parse_decimal(value_->text) : std::nullopt;
  if (number && *number >= least && *number <= most) return number;
  error("must be a whole number from " + std::to_string(least) + " to " + std::to_string(most) +
            ", not " + quoted(),
        problems);
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> Node::as_duration(std::chrono::milliseconds least,
                                                           std::chrono::milliseconds most,
                                                           Problems& problems) const {
  const auto duration = kind() == Kind::scalar ? parse_duration(value_->text) : std::nullopt;
  if (duration && *duration >= least && *duration <= most) return duration;
  error("must be a duration from " + duration_text(least) + " to " + duration_text(most) +
            ", written like 250ms, 30s, 5m, 2h or 1d, not " + quoted(),
        problems);
  return std::nullopt;
}

std::optional<std::uint64_t> Node::as_size(std::uint64_t least, std::uint64_t most,
                                           Problems& problems) const {
  const auto size = kind() == Kind::scalar ? parse_size(value_->text) : std::nullopt;
  if (size && *size >= least && *size <= most) return size;
  error("must be a size from " + size_text(least) + " to " + size_text(most) +
            ", written like 512, 16KiB, 1MiB or 2GiB, not " + quoted(),
        problems);
  return std::nullopt;
}

std::optional<std::size_t> Node::as_choice(std::initializer_list<std::string_view> allowed,
                                           Problems& problems) const {
  const auto found =
      kind() == Kind::scalar ? std::ranges::find(allowed, value_->text) : allowed.end();
  if (found != allowed.end() && !is_refused())
    return static_cast<std::size_t>(found - allowed.begin());
  error("must be " + one_of(allowed) + ", not " + quoted(), problems);
  return std::nullopt;
}

std::vector<std::string> Node::as_strings(Problems& problems) const {
  std::vector<std::string> out;
  if (kind() == Kind::scalar && !is_refused()) return {value_->text};
  if (kind() != Kind::sequence) error("must be text or a list of texts, not " + quoted(), problems);
  for (const Node& item : items()) {
    if (auto text = item.as_string(problems)) out.push_back(std::move(*text));
  }
  return out;
}

std::string Node::quoted() const {
  switch (kind()) {
    case Kind::scalar: return quote(value_->written);
    case Kind::sequence: return "a list";
    case Kind::mapping: return "a mapping";
    case Kind::null: break;
  }
  return "nothing";
}

std::string Node::path_of(std::string_view key) const {
  return path_.empty() ? path_part(key) : path_ + '.' + path_part(key);
}

void Node::error(std::string what, Problems& problems) const {
  if (!is_refused()) problems.error(position(), path_, std::move(what));
}

void Node::warning(std::string what, Problems& problems) const {
  if (!is_refused()) problems.warning(position(), path_, std::move(what));
}

}  // namespace sluice::config
