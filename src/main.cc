#include <iostream>

#include "sluice/app/admin_command.h"
#include "sluice/app/options.h"
#include "sluice/app/server.h"
#include "sluice/config/load.h"
#include "sluice/control/configurator.h"

namespace {

int run_check(const std::string& path) {
  sluice::config::Problems problems;
  sluice::control::check(path, problems);
  for (const sluice::config::Problem& problem : problems.sorted()) {
    std::cerr << problem.text() << "\n";
  }
  if (problems.has_errors()) return 1;
  std::cout << path << ": the configuration is valid\n";
  return 0;
}

}  // namespace

int main(int argument_count, char** arguments) {
  using sluice::app::Command;
  int exit_status = 0;
  const auto options = sluice::app::parse_options(argument_count, arguments, exit_status);
  if (!options.has_value()) return exit_status;
  switch (options->command) {
    case Command::check: return run_check(options->config);
    case Command::demo: return sluice::app::run_demo();
    case Command::run: return sluice::app::run_server(options->config);
    case Command::completion: std::cout << sluice::app::completion_script(options->shell); return 0;
    default: return sluice::app::run_admin_command(options->command, options->admin);
  }
}
