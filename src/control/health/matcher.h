// Which status codes of an answer are a pass: `200`, `200,202`, `200-299`, or a list of these.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/config/node.h"

namespace sluice::control::health {

class StatusMatcher {
 public:
  static constexpr std::uint16_t least = 200;
  static constexpr std::uint16_t most = 599;

  StatusMatcher() = default;  // 200 alone

  // Codes and ranges between commas, of 200 to 599; spaces around each are allowed. Nothing when
  // one does not fit.
  [[nodiscard]] static std::optional<StatusMatcher> parse(std::string_view text);
  // The same for the statuses of gRPC, 0 to 99.
  [[nodiscard]] static std::optional<StatusMatcher> parse_grpc(std::string_view text);

  [[nodiscard]] bool matches(std::uint16_t status) const;
  [[nodiscard]] std::string text() const;  // "200,202-299"

 private:
  struct Range {
    std::uint16_t first;
    std::uint16_t last;
  };
  static std::optional<StatusMatcher> parse(std::string_view text, Range allowed);
  static std::optional<Range> parse_range(std::string_view text, Range allowed);

  std::vector<Range> ranges_{{200, 200}};
};

// The key `matcher` of a check, a text or a list of them; nothing when it is absent, or reported
// because `parse` takes it not. `allowed`: in words.
[[nodiscard]] std::optional<StatusMatcher> read_matcher(
    const config::Node& check, std::optional<StatusMatcher> (*parse)(std::string_view),
    std::string_view allowed, config::Problems& problems);

}  // namespace sluice::control::health
