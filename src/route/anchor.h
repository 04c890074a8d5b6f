// What the index of a table looks for in a request on behalf of a rule.
#pragma once

#include <cstdint>
#include <string>

#include "route/subject.h"

namespace sluice::route {

struct Anchor {
  enum class Kind : std::uint8_t {
    present,   // the subject has any value
    exact,     // one of its values is `text`
    segments,  // is `text`, or begins with it and a slash
    start,     // begins with `text`
    end,       // ends with `text`
    regex,     // has a match of `text`, in RE2's syntax
  };
  Subject subject;
  Kind kind = Kind::exact;
  std::string text;     // in lower case where the subject's case is ignored, but for regex
  bool proves = false;  // whatever has it also matches

  friend bool operator==(const Anchor&, const Anchor&) = default;
};

}  // namespace sluice::route
