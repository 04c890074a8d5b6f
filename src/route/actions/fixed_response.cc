// fixed_response: { status: 503, content_type: text/html, body: "..." } - an answer of our own.
// fixed_response: { status: 503, content_type: text/html, body_file: busy.html } - from a file,
// which is read now.
#include <utility>

#include "route/actions/makers.h"
#include "route/media_type.h"
#include "sluice/base/file.h"

namespace sluice::route {
namespace {

// RFC 9110 15.3.5, 15.3.6, 15.4.5.
bool has_no_body(std::uint64_t status) { return status == 204 || status == 205 || status == 304; }

bool read_status(const config::Node& node, FixedResponse& response, config::Problems& problems) {
  const auto status = node.as_integer(200, 599, problems);
  if (!status) return false;
  response.status = static_cast<std::uint16_t>(*status);
  return true;
}

bool read_content_type(const config::Node& node, FixedResponse& response,
                       config::Problems& problems) {
  auto text = node.as_string(problems);
  if (!text) return false;
  if (!is_media_type(*text)) {
    node.error("must be a media type such as text/plain or application/json, not " + node.quoted(),
               problems);
    return false;
  }
  response.content_type = *std::move(text);
  return true;
}

// Behind the status, which decides whether there may be one.
bool take_body(const config::Node& node, std::string bytes, FixedResponse& response,
               config::Problems& problems) {
  if (bytes.size() > FixedResponse::body_limit) {
    node.error("must have at most 16 MiB", problems);
    return false;
  }
  if (!bytes.empty() && has_no_body(response.status)) {
    node.error(
        "must be empty: an answer of status " + std::to_string(response.status) + " has no body",
        problems);
    return false;
  }
  response.body = std::make_shared<const std::string>(std::move(bytes));
  return true;
}

bool read_body(const config::Node& node, FixedResponse& response, config::Problems& problems) {
  auto text = node.as_string(problems);
  return text && take_body(node, *std::move(text), response, problems);
}

bool read_body_file(const config::Node& node, FixedResponse& response, config::Problems& problems) {
  auto path = node.as_string(problems);
  if (!path) return false;
  std::string error;
  auto content = base::read_file(*path, FixedResponse::body_limit, error);
  if (!content) {
    node.error("cannot read " + node.quoted() + ": " + error, problems);
    return false;
  }
  response.body_file = *std::move(path);
  content->bytes.shrink_to_fit();
  return take_body(node, std::move(content->bytes), response, problems);
}

}  // namespace

std::optional<Action> make_fixed_response(const config::Node& value, const GroupLookup& /*groups*/,
                                          config::Problems& problems) {
  if (value.kind() != config::Node::Kind::mapping) {
    value.error(
        "must be a mapping such as { status: 404, body: \"not here\" }, not " + value.quoted(),
        problems);
    return std::nullopt;
  }
  value.allow_keys({"status", "content_type", "body", "body_file"}, problems);
  FixedResponse response;
  bool good = true;
  if (const auto status = value.get("status")) good &= read_status(*status, response, problems);
  if (const auto type = value.get("content_type"))
    good &= read_content_type(*type, response, problems);
  const auto body = value.get("body");
  const auto file = value.get("body_file");
  if (body && file) {
    file->error("not beside body: an answer has one body", problems);
    good = false;
  } else if (body) {
    good &= read_body(*body, response, problems);
  } else if (file) {
    good &= read_body_file(*file, response, problems);
  }
  if (!good) return std::nullopt;
  return response;
}

}  // namespace sluice::route
