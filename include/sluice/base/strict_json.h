// JSON out of the network (RFC 8259), read strictly.
//
// Refused besides what is not JSON: a name that occurs twice in one object, for which readers
// disagree on the one that counts (RFC 8725 2.4), comments, trailing commas, bytes that are not
// UTF-8, and what is larger or deeper than the caller allows. Any thread. Memory: some 24 bytes for
// each byte of text, at most.
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <optional>
#include <string_view>

namespace sluice::base {

struct JsonLimits {
  std::size_t bytes = 0;
  std::size_t depth = 0;  // of arrays and objects within each other; at least 1
};

// Nothing when `text` is refused.
[[nodiscard]] std::optional<boost::json::value> parse_strict_json(std::string_view text,
                                                                  const JsonLimits& limits);

}  // namespace sluice::base
