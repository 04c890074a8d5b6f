// Reads the keys of one mapping into fields that already hold their defaults.
//
// A key that is absent leaves its field alone; a value that does not fit is reported and leaves it
// alone too. A Section knows which keys it was asked for, so the list of known keys cannot disagree
// with the keys that are read: when it goes out of scope it reports all others. Therefore ask for
// every key, always. A local of the control thread; the node and the problems outlive it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/config/model.h"
#include "sluice/config/node.h"

namespace sluice::config {

template <typename Value>
struct Range {
  Value least;
  Value most;
};

class Section {
 public:
  // Reports a node that is not a mapping; nothing more is said about it then.
  Section(const Node& node, Problems& problems);
  ~Section();
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;

  // The value of `key`; nothing when it is absent.
  [[nodiscard]] std::optional<Node> get(std::string_view key);
  // A section inside this one. An empty one, all of its keys commented out, is there: `{}`.
  [[nodiscard]] std::optional<Node> section(std::string_view key);
  // Also reports its absence, saying `what` was expected.
  [[nodiscard]] std::optional<Node> require(std::string_view key, std::string_view what);
  // The items of a list; empty when it is absent, or reported because it is no list.
  [[nodiscard]] std::vector<Node> list(std::string_view key);
  // Keys of the contract that a later version reads.
  void not_supported(std::initializer_list<std::string_view> keys);

  // One line of text, not empty: file names, lists for OpenSSL.
  void text(std::string_view key, std::string& field);
  // `position` becomes that of the value, if there is one.
  void text(std::string_view key, std::string& field, Position& position);
  void flag(std::string_view key, bool& field);
  void size(std::string_view key, Range<std::uint64_t> range, std::uint64_t& field);
  // A value in the range, or 0 below it, for "off".
  void number_or_zero(std::string_view key, Range<std::uint32_t> range, std::uint32_t& field);
  void duration_or_zero(std::string_view key, Range<Milliseconds> range, Milliseconds& field);

  template <typename Field>  // std::uint32_t, or an optional of it
  void number(std::string_view key, Range<std::uint32_t> range, Field& field) {
    const auto node = get(key);
    if (!node) return;
    const auto value = node->as_integer(range.least, range.most, problems_);
    if (value) field = static_cast<std::uint32_t>(*value);
    if (!value) sound_ = false;
  }

  template <typename Field>  // Milliseconds, or an optional of them
  void duration(std::string_view key, Range<Milliseconds> range, Field& field) {
    const auto node = get(key);
    if (!node) return;
    const auto value = node->as_duration(range.least, range.most, problems_);
    if (value) field = *value;
    if (!value) sound_ = false;
  }

  // `names` in the order of the enumerators of Field.
  template <typename Field>
  void choice(std::string_view key, std::initializer_list<std::string_view> names, Field& field) {
    const auto node = get(key);
    if (!node) return;
    const auto index = node->as_choice(names, problems_);
    if (index) field = static_cast<Field>(*index);
    if (!index) sound_ = false;
  }

  // Whether every number, duration, choice, flag, size and text read so far fitted. What compares
  // settings with each other asks first: a default in the place of a misspelt value must not cause
  // a second message.
  [[nodiscard]] bool is_sound() const { return sound_; }

 private:
  const Node& node_;
  Problems& problems_;
  bool sound_ = true;
  std::vector<std::string_view> known_;
  std::vector<std::string_view> not_supported_;
};

// The text of a node when it is one line and not empty; reports it otherwise.
[[nodiscard]] std::optional<std::string> one_line(const Node& node, Problems& problems);

// `off`, or a mapping with settings, which is for the caller to read. Anything else is reported,
// and counts as neither.
enum class Switch : std::uint8_t { neither, off, settings };
[[nodiscard]] Switch off_or_settings(const Node& node, Problems& problems);

// The name of a header field or a cookie: a token (RFC 9110 5.6.2, RFC 6265 4.1.1).
[[nodiscard]] bool is_token(std::string_view text);

// A name that logs, metrics and URLs can carry as it is: 1 to 64 of A-Z a-z 0-9 _ . -
[[nodiscard]] std::optional<std::string> name(const Node& node, Problems& problems);

// Values that must differ: remembers where each was first seen.
class Unique {
 public:
  explicit Unique(std::string_view what) : what_(what) {}
  // Reports `node` when its value was there before.
  void add(const std::string& value, const Node& node, Problems& problems);

 private:
  std::string_view what_;
  std::map<std::string, Position> first_;
};

}  // namespace sluice::config
