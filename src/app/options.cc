#include "sluice/app/options.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/version.hpp>
#include <cstdlib>
#include <iostream>
#include <map>

#include "app/cli/address.h"
#include "app/cli/completion.h"
#include "sluice/base/version.h"
#include "sluice/http/library_version.h"
#include "sluice/net/tls_context.h"

namespace sluice::app {

namespace {

constexpr int usage_status = 2;

std::string boost_version() {
  return std::to_string(BOOST_VERSION / 100000) + "." + std::to_string(BOOST_VERSION / 100 % 1000) +
         "." + std::to_string(BOOST_VERSION % 100);
}

CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& does,
                      Command command, Options& options) {
  CLI::App* const added = parent.add_subcommand(name, does);
  added->callback([&options, command] { options.command = command; });
  return added;
}

// --- commands that need no running instance -----------------------------------------------------

void add_config(CLI::App& command, Options& options) {
  command.add_option("--config", options.config, "the configuration file (YAML)")->required();
}

void add_completion(CLI::App& program, Options& options) {
  static const std::map<std::string, Shell> shells{{"bash", Shell::bash}, {"zsh", Shell::zsh}};
  CLI::App* const completion =
      add_command(program, "completion", "print a script that completes commands in a shell",
                  Command::completion, options);
  completion->add_option("shell", options.shell, "bash or zsh")
      ->required()
      ->transform(CLI::CheckedTransformer(shells));
}

// --- commands that ask one ----------------------------------------------------------------------

// Not by CLI::Option::envname: the options of all commands share one variable, and those of the
// commands that were not given would overwrite it.
void read_environment(AdminOptions& options) {
  const char* const admin = std::getenv("SLUICE_ADMIN");
  if (admin != nullptr && *admin != '\0') options.admin = admin;
}

std::string wrong_address(const std::string& text) {
  std::string error;
  return cli::AdminAddress::parse(text, error).has_value() ? "" : error;
}

// "250ms", "30s": as in the configuration.
void add_timeout(CLI::App& command, AdminOptions& options) {
  static const std::map<std::string, std::int64_t> units{
      {"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  constexpr std::int64_t day = 86'400'000;
  const auto set = [&options](std::int64_t milliseconds) {
    options.timeout = std::chrono::milliseconds(milliseconds);
  };
  command
      .add_option_function<std::int64_t>(
          "--timeout", set, "end the whole command after this time (such as 500ms, 30s, 5m)")
      // Checked after the unit is taken away.
      ->check(CLI::Range(std::int64_t{1}, day))
      ->transform(CLI::AsNumberWithUnit(
          units, CLI::AsNumberWithUnit::Options(CLI::AsNumberWithUnit::CASE_SENSITIVE |
                                                CLI::AsNumberWithUnit::UNIT_REQUIRED)))
      ->option_text("DURATION");
}

// What all of them take.
CLI::App* add_asking(CLI::App& parent, const std::string& name, const std::string& does,
                     Command command, Options& options) {
  AdminOptions& admin = options.admin;
  CLI::App* const added = add_command(parent, name, does, command, options);
  added
      ->add_option("--admin", admin.admin,
                   "the admin listener: http://HOST:PORT or unix:/PATH; also SLUICE_ADMIN")
      ->check(CLI::Validator(wrong_address, "URL"))
      ->capture_default_str();
  added->add_option("--token-file", admin.token_file, "the file with the token it asks for");
  added->add_flag("--json", admin.json, "print the answer of the admin listener as it is");
  add_timeout(*added, admin);
  return added;
}

CLI::App* add_change(CLI::App& targets, const std::string& name, const std::string& does,
                     Command command, Options& options) {
  CLI::App* const added = add_asking(targets, name, does, command, options);
  added->add_option("TARGET", options.admin.targets, "their addresses, as `targets list` shows")
      ->required();
  added->add_option("--group", options.admin.group, "their target group, when there are several");
  return added;
}

void add_wait(CLI::App& command, Options& options, const std::string& until) {
  command.add_flag("--wait", options.admin.wait, "end when " + until);
}

void add_targets(CLI::App& program, Options& options) {
  CLI::App& targets = *program.add_subcommand("targets", "list and change targets");
  targets.require_subcommand(1);
  CLI::App* const list =
      add_asking(targets, "list", "the targets and how they are", Command::targets_list, options);
  list->add_option("--group", options.admin.group, "only this target group");
  CLI::App* const add =
      add_change(targets, "add", "register targets", Command::targets_add, options);
  add->add_option("--weight", options.admin.weight, "their share of the work beside the others");
  CLI::App* const drain = add_change(targets, "drain", "give targets no more work, but keep them",
                                     Command::targets_drain, options);
  add_wait(*drain, options, "they have no more requests under way");
  add_change(targets, "enable", "give drained targets work again", Command::targets_enable,
             options);
  CLI::App* const remove = add_change(targets, "remove", "drain targets, then forget them",
                                      Command::targets_remove, options);
  add_wait(*remove, options, "they are gone");
}

// --- all of them --------------------------------------------------------------------------------

void add_commands(CLI::App& program, Options& options) {
  program.set_version_flag("--version", version_text());
  program.require_subcommand(1);
  add_config(*add_command(program, "run", "run in the foreground", Command::run, options), options);
  add_config(*add_command(program, "check", "validate a configuration, print all errors",
                          Command::check, options),
             options);
  add_command(program, "demo", "serve built-in demo targets on 8080 and 8443", Command::demo,
              options);
  add_asking(program, "status", "how a running instance is", Command::status, options);
  add_targets(program, options);
  add_asking(program, "reload", "have a running instance read its configuration again",
             Command::reload, options);
  add_completion(program, options);
}

constexpr const char* description = "Sluice, a Layer-7 load balancer and edge proxy";
constexpr const char* name = "sluice";

}  // namespace

std::string version_text() {
  return "sluice " + std::string(base::version) + "\ncommit " + std::string(base::commit) +
         "\ncompiler " + std::string(base::compiler) + "\n" + net::tls_library_version() + "\n" +
         http::http2_library_version() + "\nBoost " + boost_version();
}

std::optional<Options> parse_options(int count, char** arguments, int& exit_status) {
  Options options;
  read_environment(options.admin);
  CLI::App program(description, name);
  add_commands(program, options);
  try {
    program.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    const int status = program.exit(error, std::cout, std::cerr);
    exit_status = status == 0 ? 0 : usage_status;
    return std::nullopt;
  }
  return options;
}

std::string completion_script(Shell shell) {
  Options options;
  CLI::App program(description, name);
  add_commands(program, options);
  return shell == Shell::bash ? cli::bash_completion(program) : cli::zsh_completion(program);
}

}  // namespace sluice::app
