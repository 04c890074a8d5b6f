#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>

#include "app/cli/commands.h"
#include "app/cli/values.h"
#include "app/cli/words.h"

namespace sluice::app::cli {
namespace {

namespace json = boost::json;

constexpr std::uint64_t days_left_good = 30;

std::string uptime_of(const json::value& status) {
  constexpr std::uint64_t century = 3'155'760'000;  // more would overflow in milliseconds
  const std::uint64_t seconds = std::min(count_at(status, "/uptime_seconds"), century);
  return shown(std::chrono::milliseconds(seconds * 1'000));
}

std::string facts(const json::value& status, const Terminal& terminal) {
  const std::string error = text_at(status, "/config/last_reload_error");
  const bool is_draining = is_true_at(status, "/draining");
  Table table({{.title = ""}, {.title = ""}});
  table.add({{"version"}, {text_at(status, "/version")}});
  table.add({{"up for"}, {uptime_of(status)}});
  table.add({{"serving"},
             is_draining ? Cell{"no, it drains", Colour::warning} : Cell{"yes", Colour::good}});
  table.add({{"configuration"},
             {"revision " + number_at(status, "/config/revision") + ", loaded " +
              text_at(status, "/config/loaded_at")}});
  if (!error.empty()) table.add({{"last reload"}, {"failed: " + error, Colour::bad}});
  table.add({{"workers"}, {number_at(status, "/workers")}});
  table.add({{"connections"}, {number_at(status, "/connections")}});
  return table.text(terminal);
}

std::string listeners(const json::value& status, const Terminal& terminal) {
  Table table({{.title = "LISTENER"}, {.title = "ADDRESS"}});
  for (const json::value& each : list_at(status, "/listeners")) {
    table.add({{text_at(each, "/name")}, {text_at(each, "/address")}});
  }
  return table.text(terminal);
}

std::string names_of(const json::value& certificate) {
  std::string names;
  for (const json::value& name : list_at(certificate, "/names")) {
    names.append(names.empty() ? "" : ", ").append(text_at(name, ""));
  }
  return names;
}

// Below 0 once it has expired.
Cell days_left(const json::value& certificate) {
  const std::string days = number_at(certificate, "/days_left");
  const std::uint64_t left = count_at(certificate, "/days_left");
  if (days.starts_with('-') || left == 0) return {days + " days", Colour::bad};
  return {counted(left, "day"), left < days_left_good ? Colour::warning : Colour::good};
}

std::string certificates(const json::value& status, const Terminal& terminal) {
  Table table({{.title = "CERTIFICATE"},
               {.title = "LISTENER", .goes_first = 1},
               {.title = "NAMES", .goes_first = 2},
               {.title = "ENDS IN", .is_number = true}});
  for (const json::value& each : list_at(status, "/certificates")) {
    table.add({{text_at(each, "/file")},
               {text_at(each, "/listener")},
               {names_of(each)},
               days_left(each)});
  }
  return table.text(terminal);
}

Cell count_in(const json::value& group, std::string_view pointer, Colour colour) {
  return {number_at(group, pointer), count_at(group, pointer) > 0 ? colour : Colour::faint};
}

std::string groups(const json::value& list, const Terminal& terminal) {
  Table table({{.title = "TARGET GROUP"},
               {.title = "HEALTHY", .is_number = true},
               {.title = "UNHEALTHY", .is_number = true},
               {.title = "INITIAL", .is_number = true, .goes_first = 2},
               {.title = "DRAINING", .is_number = true, .goes_first = 1},
               {.title = "UNUSED", .is_number = true, .goes_first = 3},
               {.title = "EJECTED", .is_number = true, .goes_first = 1},
               {.title = "NOTE", .goes_first = 4}});
  for (const json::value& each : list.get_array()) {
    table.add({{text_at(each, "/name")},
               count_in(each, "/targets/healthy", Colour::good),
               count_in(each, "/targets/unhealthy", Colour::bad),
               count_in(each, "/targets/initial", Colour::warning),
               count_in(each, "/targets/draining", Colour::warning),
               count_in(each, "/targets/unused", Colour::faint),
               count_in(each, "/ejected", Colour::bad),
               is_true_at(each, "/fails_open") ? Cell{"fails open", Colour::bad} : Cell{}});
  }
  return table.text(terminal);
}

}  // namespace

void show_status(Instance& instance, const AdminOptions& options) {
  const Answer status = instance.get("/v1/status");
  if (text_at(status.parsed, "/version").empty()) instance.fail_as_stranger();
  if (options.json) return print_as_is(status);
  const Answer list = get_list(instance, "/v1/target-groups", "/name");
  const Terminal terminal = Terminal::of(STDOUT_FILENO);
  std::cout << facts(status.parsed, terminal);
  if (!list_at(status.parsed, "/listeners").empty()) {
    std::cout << "\n" << listeners(status.parsed, terminal);
  }
  if (!list_at(status.parsed, "/certificates").empty()) {
    std::cout << "\n" << certificates(status.parsed, terminal);
  }
  if (!list.parsed.get_array().empty()) std::cout << "\n" << groups(list.parsed, terminal);
}

void reload(Instance& instance, const AdminOptions& options) {
  const Answer answer = instance.send("POST", "/v1/reload");
  if (options.json) return print_as_is(answer);
  const json::value& told = answer.parsed;
  if (number_at(told, "/revision") == "-") instance.fail_as_stranger();
  for (const json::value& warning : list_at(told, "/warnings")) {
    std::cerr << text_at(warning, "") << "\n";
  }
  std::cout << "reloaded: revision " << number_at(told, "/revision")
            << " of the configuration serves\n";
}

}  // namespace sluice::app::cli
