// The commands that ask a running instance; each throws Failure. One file per group of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/cli/instance.h"
#include "app/cli/table.h"

namespace sluice::app::cli {

void show_status(Instance& instance, const AdminOptions& options);
void reload(Instance& instance, const AdminOptions& options);
void list_targets(Instance& instance, const AdminOptions& options);

// False when the instance refused for some of the targets, which was said on standard error.
[[nodiscard]] bool change_targets(Instance& instance, Command command, const AdminOptions& options);

// Blocks until the targets have nothing under way, or (`until_gone`) are not in the group any more.
// Shows on standard error how far they are, unless told to be quiet.
void wait_for_targets(Instance& instance, const std::string& group,
                      std::vector<std::string> targets, bool until_gone, bool is_quiet);

// What went wrong with one of several things, while the others go on.
void complain(const std::string& text);
// JSON as it came, with an end of line.
void print_as_is(const Answer& answer);
// Of `AdminOptions::group`, or the only one that the instance has.
[[nodiscard]] std::string group_of_change(Instance& instance, const AdminOptions& options);
[[nodiscard]] Colour colour_of_state(std::string_view state);

}  // namespace sluice::app::cli
