// One YAML value with its place in the file and its path (`listeners[0].rules[2].priority`).
//
// Typed getters never throw: what is wrong goes into `Problems`, with file, line, column, path and
// what is allowed, and the getter returns nothing, so that one pass over a file reports everything.
// `${VAR}` and `${VAR:-default}` are already expanded in scalars, once; messages quote what the
// file says, never what the environment held, which may be a secret.
//
// Lifetime: a Node shares ownership of its document; it may be kept and copied freely, control
// thread only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::config {

// Lines and columns count from 1; 0 means "not in a file".
struct Position {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

enum class Severity : std::uint8_t { error, warning };

struct Problem {
  Position position;
  std::string path;  // "listeners[0].bind"
  std::string what;  // what is wrong and what is allowed
  Severity severity = Severity::error;

  // FILE:LINE:COL: path: what. One line of printable ASCII (T25), without the parts not known.
  [[nodiscard]] std::string text() const;
};

// Collects; never stops at the first.
class Problems {
 public:
  void error(const Position& position, std::string path, std::string what);
  void warning(const Position& position, std::string path, std::string what);
  void add(Problem problem);
  // Takes over what another collection found, its paths below `path` unless that is empty.
  void add(const Problems& others, const std::string& path);
  [[nodiscard]] bool has_errors() const { return errors_ > 0; }
  // Sorted by file, line, column.
  [[nodiscard]] std::vector<Problem> sorted() const;

 private:
  std::vector<Problem> problems_;
  std::size_t errors_ = 0;
};

class Node {
 public:
  enum class Kind : std::uint8_t { null, scalar, sequence, mapping };
  struct Value;  // src/config/value.h: kind, scalar text, items, members, position

  Node();  // null
  Node(std::shared_ptr<const Value> value, std::string path);

  [[nodiscard]] Kind kind() const;
  [[nodiscard]] bool is_null() const { return kind() == Kind::null; }
  // Already reported while the file was read (an alias, a variable that is not set): every getter
  // returns nothing and stays silent, so that one mistake is one message.
  [[nodiscard]] bool is_refused() const;
  [[nodiscard]] const Position& position() const;
  [[nodiscard]] const std::string& path() const { return path_; }

  // Mapping access. `get` returns nothing for an absent key; a null value counts as absent.
  [[nodiscard]] std::optional<Node> get(std::string_view key) const;
  // The same, but `key:` with nothing behind it gives an empty mapping at the place of the key.
  [[nodiscard]] std::optional<Node> get_section(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> keys() const;
  [[nodiscard]] std::vector<Node> items() const;  // of a sequence, in order

  // Reports every key that is not listed, each with the nearest known one. Keys in `not_supported`
  // have a meaning, but not in this version, and are reported as that.
  void allow_keys(std::initializer_list<std::string_view> known, Problems& problems) const;
  void allow_keys(const std::vector<std::string_view>& known,
                  const std::vector<std::string_view>& not_supported, Problems& problems) const;

  // Typed reads of this node. Nothing, with a problem recorded, when it does not fit.
  [[nodiscard]] std::optional<std::string> as_string(Problems& problems) const;
  [[nodiscard]] std::optional<bool> as_bool(Problems& problems) const;
  [[nodiscard]] std::optional<std::uint64_t> as_integer(std::uint64_t least, std::uint64_t most,
                                                        Problems& problems) const;
  // `250ms`, `30s`, `5m`, `2h`, `1d`; a bare 0 is allowed.
  [[nodiscard]] std::optional<std::chrono::milliseconds> as_duration(
      std::chrono::milliseconds least, std::chrono::milliseconds most, Problems& problems) const;
  // Bytes: `512`, `16KiB`, `1MiB`, `2GiB`.
  [[nodiscard]] std::optional<std::uint64_t> as_size(std::uint64_t least, std::uint64_t most,
                                                     Problems& problems) const;
  // One of `allowed`; returns its index. Case counts.
  [[nodiscard]] std::optional<std::size_t> as_choice(
      std::initializer_list<std::string_view> allowed, Problems& problems) const;
  // A scalar counts as a sequence of one; items that are not scalars are reported and left out.
  [[nodiscard]] std::vector<std::string> as_strings(Problems& problems) const;

  // The value for a message: a scalar as the file has it, in quotes, cut and escaped when it is
  // long or not printable; "a list", "a mapping" or "nothing" otherwise.
  [[nodiscard]] std::string quoted() const;
  // The path of `key` in this mapping, present or not.
  [[nodiscard]] std::string path_of(std::string_view key) const;

  void error(std::string what, Problems& problems) const;
  void warning(std::string what, Problems& problems) const;

 private:
  std::shared_ptr<const Value> value_;
  std::string path_;
};

// The known name nearest to `name` by edit distance (a swap of neighbours counts as one), or
// nothing when none is near: at most one edit per three characters.
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view name,
                                                      const std::vector<std::string_view>& known);

}  // namespace sluice::config
