// error_pages: { pages: [ { on: [502, 503], file: pages/sorry.html } ], intercept: true }
#include "sluice/route/filters/error_pages.h"

#include <algorithm>
#include <utility>

#include "route/filters/readers.h"
#include "route/media_type.h"
#include "sluice/base/file.h"
#include "sluice/base/text.h"

namespace sluice::route {
namespace {

using config::Node;
using config::Problems;

constexpr std::size_t pages_max = 64;

// One of `on`: a status, or a class as 5xx.
void read_on(const Node& item, ErrorPages::Page& page, Problems& problems) {
  const auto text = item.as_string(problems);
  if (!text) return;
  if (*text == "4xx" || *text == "5xx") {
    page.classes.push_back(static_cast<std::uint8_t>(text->front() - '0'));
    return;
  }
  const auto status = base::parse_decimal(*text);
  if (status && *status >= 400 && *status <= 599) {
    page.statuses.push_back(static_cast<std::uint16_t>(*status));
  } else {
    item.error("must be a status from 400 to 599, 4xx or 5xx, not " + item.quoted(), problems);
  }
}

// What the name of the file says of it.
std::string_view type_of(std::string_view file) {
  if (file.ends_with(".html") || file.ends_with(".htm")) return "text/html; charset=utf-8";
  if (file.ends_with(".json")) return "application/json";
  return "text/plain; charset=utf-8";
}

// Nothing, with the problem recorded, when it cannot be read whole.
std::optional<std::string> read_page(const Node& node, const std::string& path,
                                     Problems& problems) {
  std::string error;
  auto content = base::read_file(path, ErrorPages::body_bytes_max, error);
  if (!content) {
    node.error("cannot be read: " + error, problems);
    return std::nullopt;
  }
  return std::move(content->bytes);
}

void read_body(const Node& node, ErrorPages::Page& page, Problems& problems) {
  const auto file = node.get("file");
  const auto body = node.get("body");
  if (file.has_value() == body.has_value()) {
    node.error("needs one of file and body", problems);
    return;
  }
  const Node& source = file ? *file : *body;
  auto text = source.as_string(problems);
  if (text && file) {
    page.content_type = type_of(*text);
    text = read_page(source, *text, problems);
  }
  if (!text) return;
  if (text->empty() || text->size() > ErrorPages::body_bytes_max) {
    source.error("must have 1 to " + std::to_string(ErrorPages::body_bytes_max) + " bytes",
                 problems);
    return;
  }
  page.body = *std::move(text);
}

void read_status(const Node& node, ErrorPages::Page& page, Problems& problems) {
  const auto status = node.as_integer(200, 599, problems);
  if (!status) return;
  if ((*status >= 200 && *status < 300 && *status != 204 && *status != 205) || *status >= 400) {
    page.status = static_cast<std::uint16_t>(*status);
  } else {
    node.error("must be a status that has a body: 200 to 299 but for 204 and 205, or 400 to 599",
               problems);
  }
}

ErrorPages::Page read_page(const Node& node, Problems& problems) {
  ErrorPages::Page page;
  if (node.kind() != Node::Kind::mapping) {
    node.error("must be a mapping such as { on: [5xx], file: sorry.html }, not " + node.quoted(),
               problems);
    return page;
  }
  node.allow_keys({"on", "file", "body", "content_type", "status"}, problems);
  const auto on = node.get("on");
  if (!on) {
    node.error("needs on: the statuses that it is for", problems);
  } else if (on->kind() == Node::Kind::sequence && !on->items().empty()) {
    for (const Node& item : on->items()) read_on(item, page, problems);
  } else {
    read_on(*on, page, problems);
  }
  page.content_type = "text/plain; charset=utf-8";
  read_body(node, page, problems);
  if (const auto type = node.get("content_type")) {
    page.content_type = type->as_string(problems).value_or("text/plain");
    if (!is_media_type(page.content_type)) {
      type->error("must be a media type such as text/html, not " + type->quoted(), problems);
    }
  }
  if (const auto status = node.get("status")) read_status(*status, page, problems);
  return page;
}

}  // namespace

const ErrorPages::Page* ErrorPages::find(std::uint16_t status) const {
  for (const Page& page : pages) {
    if (std::ranges::find(page.statuses, status) != page.statuses.end()) return &page;
  }
  for (const Page& page : pages) {
    if (std::ranges::find(page.classes, status / 100) != page.classes.end()) return &page;
  }
  return nullptr;
}

void read_error_pages(const Node& value, Filters& filters, const FilterContext& /*context*/,
                      Problems& problems) {
  const auto list =
      value.kind() == Node::Kind::mapping ? value.get("pages") : std::optional<Node>();
  if (!list || list->kind() != Node::Kind::sequence || list->items().empty() ||
      list->items().size() > pages_max) {
    value.error("must be a mapping with pages, a list of 1 to " + std::to_string(pages_max) +
                    " mappings such as { on: [5xx], file: sorry.html }",
                problems);
    return;
  }
  Problems found;
  value.allow_keys({"pages", "intercept"}, found);
  ErrorPages pages;
  for (const Node& item : list->items()) pages.pages.push_back(read_page(item, found));
  if (const auto intercept = value.get("intercept")) {
    pages.intercept = intercept->as_bool(found).value_or(false);
  }
  problems.add(found, "");
  if (!found.has_errors()) {
    filters.error_pages = std::make_shared<const ErrorPages>(std::move(pages));
  }
}

}  // namespace sluice::route
