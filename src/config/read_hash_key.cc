// What of a request is hashed: `path`, `source_ip`, or { header: NAME }, { cookie: NAME },
// { query: NAME }.
#include <utility>

#include "config/readers.h"
#include "sluice/base/text.h"

namespace sluice::config {
namespace {

constexpr std::string_view forms =
    "must be path, source_ip, { header: NAME }, { cookie: NAME } or { query: NAME }";

void read_token(const Node& node, HashSource source, HashKey& key, Problems& problems) {
  const auto text = node.as_string(problems);
  if (!text) return;
  if (!is_token(*text)) {
    node.error("must be the name of a " +
                   std::string(source == HashSource::header ? "header field" : "cookie") +
                   ", not " + node.quoted(),
               problems);
    return;
  }
  // Names of fields are compared without case, names of cookies with it.
  key = {source, source == HashSource::header ? base::to_lower(*text) : *text};
}

void read_word(const Node& node, HashKey& key, Problems& problems) {
  Problems unsaid;
  const auto text = node.as_string(unsaid);
  if (text == "path" || text == "source_ip") {
    key = {*text == "path" ? HashSource::path : HashSource::source_ip, ""};
  } else {
    node.error(std::string(forms) + ", not " + node.quoted(), problems);
  }
}

}  // namespace

void read_hash_key(const Node& node, HashKey& key, Problems& problems) {
  if (node.kind() != Node::Kind::mapping) {
    read_word(node, key, problems);
    return;
  }
  Section section(node, problems);
  const auto header = section.get("header");
  const auto cookie = section.get("cookie");
  const auto query = section.get("query");
  if (header) read_token(*header, HashSource::header, key, problems);
  if (cookie) read_token(*cookie, HashSource::cookie, key, problems);
  if (query) {
    if (auto name = one_line(*query, problems)) key = {HashSource::query, std::move(*name)};
  }
  const int given = int{header.has_value()} + int{cookie.has_value()} + int{query.has_value()};
  if (given > 1 || node.keys().empty()) node.error(std::string(forms) + ", one of them", problems);
}

}  // namespace sluice::config
