#include "route/filters/basic_auth_users.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sluice/base/file.h"
#include "sluice/base/text.h"
#include "sluice/route/filters/basic_auth.h"

namespace sluice::route {
namespace {

using config::Node;
using config::Problems;

constexpr std::size_t file_bytes_max = std::size_t{1024} * 1024;

// Such a name could not be sent (RFC 7617 2), or not be told in a header as it is.
bool is_user_name(std::string_view name) {
  const auto is_good = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f && c != ':';
  };
  return !name.empty() && name.size() <= BasicAuth::name_bytes_max && base::trim(name) == name &&
         std::ranges::all_of(name, is_good);
}

// One user, or what is wrong; "" when nothing is.
std::string add_user(std::string_view name, std::string_view hash, UsersByName& users) {
  if (!is_user_name(name)) {
    return "a user's name must have 1 to 256 bytes, no control byte, no ':' and no space at an end";
  }
  const std::string of_user = "the password of '" + std::string(name) + "' ";
  std::string error;
  auto parsed = net::PasswordHash::parse(hash, error);
  if (!parsed) return of_user + error;
  auto shared = std::make_shared<const net::PasswordHash>(*std::move(parsed));
  const bool is_new = users.emplace(name, std::move(shared)).second;
  return is_new ? std::string() : "the user '" + std::string(name) + "' is there twice";
}

}  // namespace

void read_users(const config::Node& node, UsersByName& users, config::Problems& problems) {
  if (node.kind() != Node::Kind::mapping || node.keys().empty()) {
    node.error("must be a mapping of names to hashes, such as { alice: \"$y$...\" }", problems);
    return;
  }
  for (const std::string& name : node.keys()) {
    const auto value = node.get(name);
    if (!value || value->kind() != Node::Kind::scalar) {
      (value ? *value : node).error("needs a hash for the user '" + name + "'", problems);
      continue;
    }
    const auto hash = value->as_string(problems);
    if (!hash) continue;
    const std::string error = add_user(name, *hash, users);
    if (!error.empty()) value->error(error, problems);
  }
}

void read_users_file(const config::Node& node, UsersByName& users, config::Problems& problems) {
  const auto path = node.as_string(problems);
  if (!path) return;
  std::string error;
  const auto content = base::read_file(*path, file_bytes_max, error);
  if (!content) {
    node.error("cannot use " + node.quoted() + ": " + error, problems);
    return;
  }
  std::string_view rest = content->bytes;
  config::Position position{.file = *path, .column = 1};
  while (!rest.empty()) {
    ++position.line;
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (base::trim(line).empty() || line.starts_with('#')) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
      problems.error(position, node.path(), "must be name:hash, or a comment that begins with '#'");
      continue;
    }
    const std::string_view name = line.substr(0, colon);
    line.remove_prefix(colon + 1);
    const std::string fault = add_user(name, line.substr(0, line.find(':')), users);
    if (!fault.empty()) problems.error(position, node.path(), fault);
  }
}

}  // namespace sluice::route
