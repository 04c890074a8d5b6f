#include <exception>
#include <iostream>

#include "app/cli/commands.h"
#include "app/cli/failure.h"
#include "sluice/app/admin_command.h"

namespace sluice::app {
namespace cli {
namespace {

// A reload looks up names; a wait is for what clients still have, and deregistration_delay, which
// ends that, is five minutes unless configured.
std::chrono::milliseconds timeout_of(Command command, const AdminOptions& options) {
  if (options.timeout.has_value()) return *options.timeout;
  if (options.wait) return std::chrono::minutes(10);
  return command == Command::reload ? std::chrono::seconds(60) : std::chrono::seconds(10);
}

bool is_done(Command command, const AdminOptions& options) {
  Instance instance(options, timeout_of(command, options));
  switch (command) {
    case Command::status: show_status(instance, options); return true;
    case Command::reload: reload(instance, options); return true;
    case Command::targets_list: list_targets(instance, options); return true;
    default: return change_targets(instance, command, options);
  }
}

}  // namespace

void complain(const std::string& text) { std::cerr << "sluice: " << text << std::endl; }

void print_as_is(const Answer& answer) {
  std::cout << answer.text << (answer.text.empty() || answer.text.ends_with('\n') ? "" : "\n");
}

}  // namespace cli

int run_admin_command(Command command, const AdminOptions& options) {
  try {
    const bool done = cli::is_done(command, options);
    // A full disk behind the output is a failure, too.
    return done && std::cout.flush() ? 0 : 1;
  } catch (const std::exception& exception) {
    std::cout.flush();
    cli::complain(exception.what());
    return 1;
  }
}

}  // namespace sluice::app
