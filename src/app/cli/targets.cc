#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iostream>

#include "app/cli/commands.h"
#include "app/cli/failure.h"
#include "app/cli/values.h"
#include "app/cli/words.h"

namespace sluice::app::cli {
namespace {

namespace json = boost::json;

// Group names as they came: they become parts of paths.
std::vector<std::string> group_names(Instance& instance) {
  const Answer list = get_list(instance, "/v1/target-groups", "/name");
  std::vector<std::string> names;
  for (const json::value& each : list.parsed.get_array()) {
    const json::string& name = find(each, "/name")->get_string();
    names.emplace_back(name.data(), name.size());
  }
  return names;
}

// --- listing ------------------------------------------------------------------------------------

Table table_of_targets() {
  return Table({{.title = "GROUP"},
                {.title = "TARGET"},
                {.title = "WEIGHT", .is_number = true, .goes_first = 2},
                {.title = "STATE"},
                {.title = "REASON", .goes_first = 5},
                {.title = "REQUESTS", .is_number = true, .goes_first = 1},
                {.title = "CONNECTIONS", .is_number = true, .goes_first = 6},
                {.title = "LATENCY", .is_number = true, .goes_first = 4},
                {.title = "SOURCE", .goes_first = 3},
                {.title = "ZONE", .goes_first = 7}});
}

// Ejection is apart from the state, but who looks at a list wants to see it there.
Cell state_of(const json::value& target) {
  const std::string state = text_at(target, "/state");
  const json::value* const ejected = find(target, "/ejected");
  if (ejected == nullptr || !ejected->is_object()) return {state, colour_of_state(state)};
  return {state + (is_true_at(*ejected, "/probing") ? ", probing" : ", ejected"), Colour::bad};
}

std::string reason_of(const json::value& target) {
  const std::string ejection = text_at(target, "/ejected/reason");
  return ejection.empty() ? text_at(target, "/reason") : ejection;
}

std::string latency_of(const json::value& target) {
  const std::string number = number_at(target, "/latency_ms");
  return number == "-" ? number : number + " ms";
}

std::string sources_of(const json::value& target) {
  std::string sources;
  for (const json::value& each : list_at(target, "/sources")) {
    sources.append(sources.empty() ? "" : ",").append(text_at(each, ""));
  }
  return sources.empty() ? text_at(target, "/source") : sources;
}

void add_row(Table& table, const std::string& group, const json::value& target) {
  table.add({{shown(group)},
             {text_at(target, "/id")},
             {number_at(target, "/weight")},
             state_of(target),
             {reason_of(target)},
             {number_at(target, "/active_requests")},
             {number_at(target, "/connections")},
             {latency_of(target)},
             {sources_of(target)},
             {text_at(target, "/zone")}});
}

// --- changing -----------------------------------------------------------------------------------

Answer change(Instance& instance, Command command, const AdminOptions& options,
              const std::string& group, const std::string& target) {
  const std::string path = target_path(group, target);
  switch (command) {
    case Command::targets_add: {
      json::object body{{"address", target}};
      if (options.weight.has_value()) body["weight"] = *options.weight;
      return instance.send("POST", targets_path(group), body);
    }
    case Command::targets_drain:
      return instance.send("PATCH", path, json::object{{"state", "draining"}});
    case Command::targets_enable:
      return instance.send("PATCH", path, json::object{{"state", "enabled"}});
    default: return instance.send("DELETE", path);
  }
}

std::string_view result_of(Command command, unsigned status) {
  constexpr unsigned created = 201;
  switch (command) {
    case Command::targets_add: return status == created ? "added" : "was there already";
    case Command::targets_drain: return "draining";
    case Command::targets_enable: return "enabled";
    default: return "leaving";
  }
}

}  // namespace

void list_targets(Instance& instance, const AdminOptions& options) {
  if (options.json && !options.group.empty()) {
    return print_as_is(get_list(instance, targets_path(options.group), "/id"));
  }
  const bool is_one = !options.group.empty();
  const std::vector<std::string> groups =
      is_one ? std::vector{options.group} : group_names(instance);
  Table table = table_of_targets();
  std::string all;  // JSON: an object with an array for each group
  for (const std::string& group : groups) {
    const Answer list = get_list(instance, targets_path(group), "/id");
    if (options.json) {
      const std::string_view text = list.text;
      all.append(all.empty() ? "{" : ",\n").append(json_text(group)).append(":");
      all.append(text.substr(0, text.find_last_not_of("\r\n") + 1));
      continue;
    }
    for (const json::value& target : list.parsed.get_array()) add_row(table, group, target);
  }
  if (options.json) {
    std::cout << (all.empty() ? "{" : all) << "}\n";
  } else {
    std::cout << table.text(Terminal::of(STDOUT_FILENO));
  }
}

bool change_targets(Instance& instance, Command command, const AdminOptions& options) {
  const std::string group = group_of_change(instance, options);
  std::vector<std::string> changed;
  for (const std::string& target : options.targets) {
    try {
      const Answer answer = change(instance, command, options, group, target);
      changed.push_back(target);
      if (options.json) {
        print_as_is(answer);
      } else {
        std::cout << shown(target) << " of " << shown(group) << ": "
                  << result_of(command, answer.status) << std::endl;
      }
    } catch (const Refusal& refusal) {
      complain(shown(target) + ": " + refusal.what());
    }
  }
  if (options.wait && !changed.empty()) {
    const bool until_gone = command == Command::targets_remove;
    wait_for_targets(instance, group, changed, until_gone, options.json);
    if (!options.json) {
      std::cout << counted(changed.size(), "target") << " of " << shown(group)
                << (until_gone ? ": gone\n" : ": drained\n");
    }
  }
  return changed.size() == options.targets.size();
}

std::string group_of_change(Instance& instance, const AdminOptions& options) {
  if (!options.group.empty()) return options.group;
  constexpr std::size_t named_max = 20;
  const std::vector<std::string> names = group_names(instance);
  if (names.size() == 1) return names.front();
  std::string text = "--group must say which target group is meant; there are";
  for (std::size_t i = 0; i < names.size() && i <= named_max; ++i) {
    text.append(i == 0 ? " " : ", ").append(i == named_max ? "..." : shown(names[i]));
  }
  throw Failure(names.empty() ? "there is no target group" : text);
}

Colour colour_of_state(std::string_view state) {
  if (state == "healthy") return Colour::good;
  if (state == "unhealthy") return Colour::bad;
  return state == "unused" ? Colour::faint : Colour::warning;
}

}  // namespace sluice::app::cli
