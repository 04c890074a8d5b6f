// What the filters of a rule changed about one exchange; the heads are written by it (headers.cc,
// reply.cc). Made only for rules that have filters; ends with its exchange.
//
// Lines are whole field lines (`Name: value\r\n`), made by us of checked names and values: whoever
// adds one has made sure that no byte of a request can end it (T27).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/text.h"

namespace sluice::proxy {

// Of one head.
struct HeadAmendments {
  std::vector<std::string> dropped;  // names, in any case: what arrived under them does not pass
  std::string lines;                 // what passes besides, after everything else

  [[nodiscard]] bool drops(std::string_view name) const {
    for (const std::string& one : dropped) {
      if (base::equals_ignoring_case(one, name)) return true;
    }
    return false;
  }
};

struct Amendments {
  HeadAmendments request;
  HeadAmendments answer;   // the target's, and those of our own
  HeadAmendments content;  // the target's answer only: what became of its content
  // Only of an answer of our own that a filter gives: WWW-Authenticate, Retry-After.
  std::string refusal_lines;

  // Of the request line towards the target; unset: as it arrived.
  std::optional<std::string> path;   // in normal form
  std::optional<std::string> query;  // without '?'; empty: none
  std::optional<std::string> host;   // a valid authority
};

}  // namespace sluice::proxy
