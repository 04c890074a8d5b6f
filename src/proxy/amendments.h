// What the filters of a rule changed about one exchange; the heads are written by it (headers.cc,
// reply.cc). Made only for rules that have filters; ends with its exchange.
//
// Lines are whole field lines (`Name: value\r\n`), made by us of checked names and values: whoever
// adds one has made sure that no byte of a request can end it (T27).
#pragma once

#include <bitset>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/nominations.h"
#include "sluice/base/text.h"
#include "sluice/route/filters/rate_limit.h"

namespace sluice::net {
class WaitSlot;
}

namespace sluice::proxy {

// Whether targets may take them for one: every byte that is neither letter nor digit counts as '-'
// (T10), for CGI and its heirs make one variable of X-User, X_User and X.User.
[[nodiscard]] inline bool is_same_or_alias(std::string_view a, std::string_view b) {
  const auto folded = [](char c) {
    const char low = base::lower(c);
    return (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9') ? low : '-';
  };
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (folded(a[i]) != folded(b[i])) return false;
  }
  return true;
}

// One of several whole lines of ours; views into them.
struct FieldLine {
  std::string_view name;
  std::string_view value;
  std::string_view text;  // all of it, with its end
};

template <typename Visit>
void for_each_line(std::string_view lines, Visit visit) {
  while (!lines.empty()) {
    const std::size_t end = lines.find("\r\n");
    if (end == std::string_view::npos) return;
    const std::string_view line = lines.substr(0, end);
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos) {
      visit(FieldLine{line.substr(0, colon), base::trim(line.substr(colon + 1)),
                      lines.substr(0, end + 2)});
    }
    lines.remove_prefix(end + 2);
  }
}

// Of one head.
struct HeadAmendments {
  std::vector<std::string> dropped;  // names, in any case: what arrived under them does not pass
  std::string lines;                 // what passes besides, after everything else

  // Neither what arrived under this name nor what a filter wrote passes.
  void drop(std::string_view name) {
    dropped.emplace_back(name);
    if (lines.empty()) return;
    std::string kept;
    for_each_line(lines, [&](const FieldLine& line) {
      if (!is_same_or_alias(name, line.name)) kept += line.text;
    });
    lines = std::move(kept);
  }

  void add(const HeadAmendments& others) {
    for (const std::string& name : others.dropped) drop(name);
    lines += others.lines;
  }

  // Its aliases, too.
  [[nodiscard]] bool drops(std::string_view name) const {
    for (const std::string& one : dropped) {
      if (is_same_or_alias(one, name)) return true;
    }
    return false;
  }
};

// What the service of forward_auth says to the client instead of letting the request pass.
struct Denial {
  std::uint16_t status = 401;
  std::string lines;         // whole lines that pass
  std::string content_type;  // of `body`
  std::string body;

  // And what is said of it.
  void leave_body_out() {
    body.clear();
    std::string kept;
    for_each_line(lines, [&](const FieldLine& line) {
      const bool is_of_content = base::equals_ignoring_case(line.name.substr(0, 8), "Content-") ||
                                 base::equals_ignoring_case(line.name, "ETag");
      if (!is_of_content) kept += line.text;
    });
    lines = std::move(kept);
  }
};

class SideRequest;
struct MirrorCopy;

struct Amendments {
  Amendments();
  ~Amendments();
  Amendments(const Amendments&) = delete;
  Amendments& operator=(const Amendments&) = delete;

  HeadAmendments request;
  HeadAmendments answer;          // the target's, and those of our own
  HeadAmendments content;         // what became of the target's content; of no answer of our own
  bool varies_by_coding = false;  // a cache has to be told; the same
  // What was noted about it before `filter_answer` ran first: a head that was prepared may never
  // leave, and that of our own answer instead begins from here.
  std::optional<HeadAmendments> answer_before;
  // Only of an answer of our own that a filter gives: WWW-Authenticate, Retry-After.
  std::string refusal_lines;
  // The answer of a filter instead of the action's, without a body: a preflight's 204; 0: none.
  std::uint16_t answer_status = 0;
  // While `filter_answer` runs: the answer is one of our own, and Exchange::answer means nothing.
  bool is_own_answer = false;
  // While `filter_answer` runs for one of our own: whole lines that it has, for filters to touch.
  std::string_view own_lines;

  // The question that the exchange waits for; null: it waits for none. Ended by `interrupt`.
  SideRequest* asked = nullptr;
  // Where it waits for a verdict on a password, or for keys; the same.
  net::WaitSlot* awaited = nullptr;
  std::chrono::nanoseconds asked_for{0};  // how long it has waited for such: not our own time
  std::unique_ptr<Denial> denial;         // with the reason forward_auth_denied

  // The copy for the filter mirror, while the request's body passes; and whether there has been
  // one, or none is to be made.
  std::unique_ptr<MirrorCopy> copy;
  bool copy_was_decided = false;

  // The request's, when somebody has asked for them.
  std::optional<Nominations> nominations;

  // Limits of the rule that have taken this request, by their place in the list.
  std::bitset<route::RateLimits::most> limits_taken;

  std::string user;  // that basic_auth has verified; empty: none

  // Of a verified token, as text: those that are texts, numbers, truth values or arrays of them.
  std::vector<std::pair<std::string, std::string>> claims;

  // Of the request line towards the target; unset: as it arrived.
  std::optional<std::string> path;   // in normal form
  std::optional<std::string> query;  // without '?'; empty: none
  std::optional<std::string> host;   // a valid authority
};

}  // namespace sluice::proxy
