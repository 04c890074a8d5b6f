// The fields of a message that its Connection fields name, which end here (RFC 9110 7.6.1; T9).
#pragma once

#include <string_view>
#include <vector>

#include "sluice/http/field.h"

namespace sluice::proxy {

// Found once: a head has room for tens of thousands of options, and each of its fields is asked
// for. Takes the logarithm of the number of fields for an option, and no memory where only options
// stand that we understand (close, keep-alive, upgrade). Views: as long as the message.
class Nominations {
 public:
  explicit Nominations(const http::Fields& fields);

  // For names of fields of that message. Protected names are never nominated; what is hop-by-hop by
  // itself is not told.
  [[nodiscard]] bool has(std::string_view name) const { return !names_.empty() && finds(name); }

 private:
  [[nodiscard]] bool finds(std::string_view name) const;

  std::vector<std::string_view> names_;  // sorted, each once, without regard to case
};

}  // namespace sluice::proxy
