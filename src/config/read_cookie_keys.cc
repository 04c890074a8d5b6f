// Secrets that seal cookies. Messages name places only: what is wrong with a secret must not show
// it, not even a mistyped one.
#include <map>
#include <utility>

#include "config/readers.h"

namespace sluice::config {

std::vector<std::string> read_cookie_keys(const Node& node, Problems& problems) {
  constexpr std::size_t most_keys = 16;
  constexpr std::size_t shortest = 32;
  constexpr std::size_t longest = 1024;

  if (node.kind() != Node::Kind::sequence || node.items().size() > most_keys) {
    node.error("must be a list of at most 16 secrets", problems);
    return {};
  }
  std::vector<std::string> keys;
  std::map<std::string, std::uint32_t> first_line;
  for (const Node& item : node.items()) {
    Problems unsaid;
    auto text = item.as_string(unsaid);
    if (!text || text->size() < shortest || text->size() > longest) {
      item.error("must be a secret of 32 to 1024 characters", problems);
      continue;
    }
    const auto [first, added] = first_line.try_emplace(*text, item.position().line);
    if (added) {
      keys.push_back(std::move(*text));
    } else {
      item.error("the same secret as at line " + std::to_string(first->second), problems);
    }
  }
  return keys;
}

}  // namespace sluice::config
