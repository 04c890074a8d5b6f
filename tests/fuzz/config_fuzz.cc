// Any text as a configuration file: no crash, no hang, and what the loader promises holds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "sluice/config/load.h"

namespace {

using namespace sluice::config;

void require(bool holds) {
  if (!holds) std::abort();
}

// The invariants written at the head of model.h.
void check_model(const Model& model) {
  require(!model.listeners.empty());
  require(model.workers <= 256);
  std::set<std::string> listener_names;
  for (const Listener& listener : model.listeners) {
    require(!listener.name.empty() && listener_names.insert(listener.name).second);
    require(!listener.tls || !listener.tls->certificates.empty());
    std::set<std::string> rule_names;
    std::set<std::uint32_t> priorities;
    for (const Rule& rule : listener.rules) {
      require(rule.priority >= 1 && rule.priority <= 50'000 &&
              priorities.insert(rule.priority).second);
      require(!rule.name.empty() && rule_names.insert(rule.name).second);
      require(!rule.conditions.empty() && rule.action.kind() == Node::Kind::mapping);
      for (const Node& condition : rule.conditions) require(condition.keys().size() == 1);
    }
  }
  std::set<std::string> group_names;
  for (const TargetGroup& group : model.target_groups) {
    require(!group.name.empty() && group_names.insert(group.name).second);
    std::set<std::string> addresses;
    for (const Target& target : group.targets) {
      require(target.weight <= 999 && addresses.insert(target.address.text()).second);
      require(target.address.is_unix || target.address.port > 0);
    }
  }
}

// A message is one line of printable ASCII that begins with the name of the file.
void check_message(const std::string& message) {
  require(message.starts_with("f:"));
  for (const char c : message) require(c >= ' ' && c <= '~');
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer looks for this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  Problems problems;
  const auto model = load_text(text, "f", problems);
  require(model.has_value() != problems.has_errors());
  if (model) check_model(*model);
  for (const Problem& problem : problems.sorted()) check_message(problem.text());
  return 0;
}
