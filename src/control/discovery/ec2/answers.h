// Answers of AWS in XML: instances, errors, credentials of STS. The one door of pugixml.
//
// The text is hostile as far as this file is concerned: bounded in bytes, in marks and in depth
// before anything is made of it. There are no entities but XML's own five and numbers: a DOCTYPE is
// passed over, so nothing expands. Any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/discovery/ec2/credentials.h"

namespace sluice::control::discovery::ec2 {

inline constexpr std::size_t answer_bytes_max = std::size_t{8} << 20;
inline constexpr std::size_t answer_marks_max = 400'000;  // of `<` and `=`: bounds the memory
inline constexpr std::size_t answer_depth_max = 32;
inline constexpr std::size_t tags_max =
    128;  // of one instance; 50 of its own, and those of AWS (`aws:`)

enum class InstanceState : unsigned {
  pending = 0,
  running = 16,
  shutting_down = 32,
  terminated = 48,
  stopping = 64,
  stopped = 80
};

// Texts as the answer has them, not checked.
struct Instance {
  std::string id;
  InstanceState state = InstanceState::pending;
  std::string private_address;  // empty: it has none
  std::string public_address;
  std::string ipv6_address;
  std::string zone;
  std::vector<std::pair<std::string, std::string>> tags;

  [[nodiscard]] std::optional<std::string_view> tag(std::string_view key) const;
  friend bool operator==(const Instance&, const Instance&) = default;
};

struct Page {
  std::vector<Instance> instances;
  std::string next_token;  // empty: it was the last
};

// Of DescribeInstances. Nothing, and why, when it is not that, or not whole.
[[nodiscard]] std::optional<Page> parse_instances(std::string_view text, std::string& error);

// The code of an error (`RequestLimitExceeded`), of letters, digits, `.`, `-` and `_`, at most 64;
// empty when there is none. Its message is not read: it may repeat what was sent.
[[nodiscard]] std::string parse_error_code(std::string_view text);

// Of AssumeRoleWithWebIdentity. Null when it is not that.
[[nodiscard]] SharedCredentials parse_assumed_role(std::string_view text);

}  // namespace sluice::control::discovery::ec2
