#include "sluice/app/options.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/version.hpp>
#include <iostream>

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

}  // namespace

std::string version_text() {
  return "sluice " + std::string(base::version) + "\ncommit " + std::string(base::commit) +
         "\ncompiler " + std::string(base::compiler) + "\n" + net::tls_library_version() + "\n" +
         http::http2_library_version() + "\nBoost " + boost_version();
}

std::optional<Options> parse_options(int count, char** arguments, int& exit_status) {
  Options options;
  CLI::App program("Sluice, a Layer-7 load balancer and edge proxy", "sluice");
  program.set_version_flag("--version", version_text());
  program.require_subcommand(1);
  CLI::App* run = program.add_subcommand("run", "run in the foreground");
  run->add_option("--config", options.config, "the configuration file (YAML)")->required();
  CLI::App* check = program.add_subcommand("check", "validate a configuration, print all errors");
  check->add_option("--config", options.config, "the configuration file (YAML)")->required();
  CLI::App* demo = program.add_subcommand("demo", "serve built-in demo targets on 8080 and 8443");
  try {
    program.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    const int status = program.exit(error, std::cout, std::cerr);
    exit_status = status == 0 ? 0 : usage_status;
    return std::nullopt;
  }
  if (check->parsed()) options.command = Command::check;
  if (demo->parsed()) options.command = Command::demo;
  return options;
}

}  // namespace sluice::app
