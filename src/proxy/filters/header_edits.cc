#include "proxy/filters/header_edits.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/amendments.h"
#include "proxy/grpc.h"
#include "proxy/headers.h"
#include "proxy/variables.h"
#include "sluice/base/text.h"

namespace sluice::proxy {

namespace {

using route::HeaderEdits;

void append_line(std::string& lines, std::string_view name, std::string_view value) {
  lines.append(name).append(": ").append(value).append("\r\n");
}

bool looks_at_fields(const HeaderEdits& edits) {
  return !edits.renames.empty() || !edits.defaults.empty();
}

// All that is made first is made of the head as it was, so that the order of the edits does not
// matter: what is removed can still be renamed, or be part of a value.
class Editor {
 public:
  // `arrived`: the fields that pass; `ours`: lines that will be written besides; `is_own`: of an
  // answer that we make, with fields that are always ours.
  Editor(const HeaderEdits& edits, HeadAmendments& head, const std::vector<http::Field>& arrived,
         std::string_view ours, bool is_own)
      : edits_(edits), head_(head), arrived_(arrived), ours_(ours), is_own_(is_own) {}

  // Whole lines that are written as they are: with them a field is there.
  void keep_fixed(std::string_view lines) { fixed_ = lines; }

  // Fields of this name are left as they are.
  void spare(std::string_view name) { spared_ = name; }

  // False when a field is too much, which then is left out.
  bool make_lines(const route::Variables& variables) {
    for (const HeaderEdits::Rename& rename : edits_.renames) add_renamed(rename);
    bool fits = true;
    for (const HeaderEdits::Field& field : edits_.sets) {
      if (is_spared(field.name)) continue;
      drop(field.name);
      fits &= add(field, variables);
    }
    for (const HeaderEdits::Field& field : edits_.additions) {
      if (!is_spared(field.name)) fits &= add(field, variables);
    }
    for (const HeaderEdits::Field& field : edits_.defaults) {
      if (is_spared(field.name) || is_there(field.name)) continue;
      drop(field.name);  // its aliases
      fits &= add(field, variables);
    }
    return fits;
  }

  void apply() {
    for (const std::string& name : edits_.removals) {
      if (!is_spared(name)) drop(name);
    }
    for (const std::string_view name : dropped_) head_.drop(name);
    head_.lines += renamed_;
    head_.lines += made_;
  }

 private:
  [[nodiscard]] bool is_spared(std::string_view name) const {
    return !spared_.empty() && base::equals_ignoring_case(name, spared_);
  }

  void drop(std::string_view name) { dropped_.push_back(name); }

  template <typename Visit>
  void for_each_value(std::string_view name, Visit visit) const {
    if (!head_.drops(name)) {
      for (const http::Field& field : arrived_) {
        if (base::equals_ignoring_case(field.name, name)) visit(field.value);
      }
      for_each_line(ours_, [&](const FieldLine& line) {
        if (base::equals_ignoring_case(line.name, name)) visit(line.value);
      });
    }
    for_each_line(head_.lines, [&](const FieldLine& line) {
      if (base::equals_ignoring_case(line.name, name)) visit(line.value);
    });
  }

  [[nodiscard]] bool is_there(std::string_view name) const {
    constexpr std::array<std::string_view, 4> written{"Server", "Date", "Content-Type", "Location"};
    bool found = is_own_ && std::ranges::any_of(written, [name](std::string_view one) {
                   return base::equals_ignoring_case(one, name);
                 });
    for_each_value(name, [&found](std::string_view) { found = true; });
    for_each_line(fixed_, [&](const FieldLine& line) {
      found = found || base::equals_ignoring_case(line.name, name);
    });
    return found;
  }

  void add_renamed(const HeaderEdits::Rename& rename) {
    if (is_spared(rename.from) || is_spared(rename.to)) return;
    bool found = false;
    for_each_value(rename.from, [&](std::string_view value) {
      found = true;
      append_line(renamed_, rename.to, value);
    });
    drop(rename.from);
    if (found) drop(rename.to);
  }

  bool add(const HeaderEdits::Field& field, const route::Variables& variables) {
    std::string value;
    const bool fits = field.value.append_to(value, variables, HeaderEdits::lines_bytes_max) &&
                      made_.size() + value.size() <= HeaderEdits::lines_bytes_max;
    if (!fits) return false;
    const std::string_view text = base::trim(value);
    if (!text.empty()) append_line(made_, field.name, text);
    return true;
  }

  const HeaderEdits& edits_;
  HeadAmendments& head_;
  const std::vector<http::Field>& arrived_;
  std::string_view ours_;
  std::string_view fixed_;
  bool is_own_;
  std::string_view spared_;
  std::string renamed_;  // no longer than what arrived
  std::string made_;
  std::vector<std::string_view> dropped_;
};

}  // namespace

bool edit_request(Exchange& exchange, const HeaderEdits& edits) {
  std::vector<http::Field> arrived;
  if (looks_at_fields(edits)) arrived = passing_request_fields(exchange);
  Editor editor(edits, exchange.amendments->request, arrived,
                exchange.connection->client_certificate_fields(), false);
  const ExchangeVariables variables(exchange);
  if (!editor.make_lines(variables)) return false;
  editor.apply();
  return true;
}

void edit_answer(Exchange& exchange, const HeaderEdits& edits, std::uint16_t status) {
  Amendments& amendments = *exchange.amendments;
  const bool is_own = amendments.is_own_answer;
  const bool looks = looks_at_fields(edits);
  std::vector<http::Field> arrived;
  if (!is_own && looks) arrived = passing_answer_fields(exchange);
  // Of an answer of our own what tells it apart: Retry-After, Allow, WWW-Authenticate.
  std::string ours;
  const bool is_preflight = amendments.answer_status != 0;
  if (is_own && looks) ours.append(amendments.own_lines);
  if (is_own && looks && !is_preflight) ours.append(amendments.refusal_lines);
  Editor editor(edits, amendments.answer, arrived, ours, is_own);
  if (is_own && is_preflight) editor.keep_fixed(amendments.refusal_lines);
  // Its clients know an answer by it.
  if (is_grpc(exchange.request)) editor.spare("Content-Type");
  const ExchangeVariables variables(exchange, status);
  if (!editor.make_lines(variables)) {
    exchange.worker().ends(observe::Reason::amended_head_too_large).add();
  }
  editor.apply();
}

}  // namespace sluice::proxy
