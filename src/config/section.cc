#include "config/section.h"

#include <algorithm>

#include "config/printable.h"
#include "config/quantities.h"

namespace sluice::config {

Section::Section(const Node& node, Problems& problems) : node_(node), problems_(problems) {
  if (node.kind() != Node::Kind::mapping)
    node.error("must be a mapping, not " + node.quoted(), problems);
}

Section::~Section() { node_.allow_keys(known_, not_supported_, problems_); }

std::optional<Node> Section::get(std::string_view key) {
  known_.push_back(key);
  return node_.get(key);
}

std::optional<Node> Section::section(std::string_view key) {
  known_.push_back(key);
  return node_.get_section(key);
}

std::optional<Node> Section::require(std::string_view key, std::string_view what) {
  auto value = get(key);
  if (!value && node_.kind() == Node::Kind::mapping) {
    problems_.error(node_.position(), node_.path_of(key),
                    "missing; it must be " + std::string(what));
  }
  return value;
}

std::vector<Node> Section::list(std::string_view key) {
  const auto value = get(key);
  if (!value) return {};
  if (value->kind() != Node::Kind::sequence) {
    value->error("must be a list, not " + value->quoted(), problems_);
  }
  return value->items();
}

void Section::not_supported(std::initializer_list<std::string_view> keys) {
  not_supported_.insert(not_supported_.end(), keys);
}

void Section::text(std::string_view key, std::string& field) {
  const auto node = get(key);
  if (!node) return;
  auto value = one_line(*node, problems_);
  if (value) field = std::move(*value);
  if (!value) sound_ = false;
}

void Section::text(std::string_view key, std::string& field, Position& position) {
  text(key, field);
  if (const auto node = get(key)) position = node->position();
}

void Section::flag(std::string_view key, bool& field) {
  const auto node = get(key);
  if (!node) return;
  const auto value = node->as_bool(problems_);
  if (value) field = *value;
  if (!value) sound_ = false;
}

void Section::size(std::string_view key, Range<std::uint64_t> range, std::uint64_t& field) {
  const auto node = get(key);
  if (!node) return;
  const auto value = node->as_size(range.least, range.most, problems_);
  if (value) field = *value;
  if (!value) sound_ = false;
}

void Section::number_or_zero(std::string_view key, Range<std::uint32_t> range,
                             std::uint32_t& field) {
  const auto node = get(key);
  if (!node) return;
  Problems unsaid;  // they would leave out the zero or the range
  const auto value = node->as_integer(0, range.most, unsaid);
  if (value && (*value == 0 || *value >= range.least)) {
    field = static_cast<std::uint32_t>(*value);
    return;
  }
  sound_ = false;
  node->error("must be 0 or a whole number from " + std::to_string(range.least) + " to " +
                  std::to_string(range.most) + ", not " + node->quoted(),
              problems_);
}

void Section::duration_or_zero(std::string_view key, Range<Milliseconds> range,
                               Milliseconds& field) {
  const auto node = get(key);
  if (!node) return;
  Problems unsaid;
  const auto value = node->as_duration(Milliseconds(0), range.most, unsaid);
  if (value && (value->count() == 0 || *value >= range.least)) {
    field = *value;
    return;
  }
  sound_ = false;
  node->error("must be 0 or a duration from " + duration_text(range.least) + " to " +
                  duration_text(range.most) + ", written like 250ms, 30s, 5m, 2h or 1d, not " +
                  node->quoted(),
              problems_);
}

std::optional<std::string> one_line(const Node& node, Problems& problems) {
  auto text = node.as_string(problems);
  if (!text) return std::nullopt;
  const auto is_control = [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; };
  if (!text->empty() && std::ranges::none_of(*text, is_control)) return text;
  node.error("must be one line of text and not empty, not " + node.quoted(), problems);
  return std::nullopt;
}

Switch off_or_settings(const Node& node, Problems& problems) {
  if (node.kind() == Node::Kind::mapping) return Switch::settings;
  Problems unsaid;
  if (node.as_string(unsaid) == "off") return Switch::off;
  node.error("must be off or a mapping, not " + node.quoted(), problems);
  return Switch::neither;
}

bool is_token(std::string_view text) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  const auto fits = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           marks.find(c) != std::string_view::npos;
  };
  return !text.empty() && std::ranges::all_of(text, fits);
}

std::optional<std::string> name(const Node& node, Problems& problems) {
  constexpr std::size_t longest = 64;
  auto text = node.as_string(problems);
  if (!text) return std::nullopt;
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  };
  if (!text->empty() && text->size() <= longest && std::ranges::all_of(*text, fits)) return text;
  node.error("must be 1 to 64 letters, digits or _ . - and not " + node.quoted(), problems);
  return std::nullopt;
}

void Unique::add(const std::string& value, const Node& node, Problems& problems) {
  const auto [first, added] = first_.try_emplace(value, node.position());
  if (added) return;
  node.error("duplicate " + std::string(what_) + ' ' + quote(value) + "; first at line " +
                 std::to_string(first->second.line),
             problems);
}

}  // namespace sluice::config
