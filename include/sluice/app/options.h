// The command line: what to do, with which file or which running instance.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::app {

enum class Command : std::uint8_t {
  run,
  check,
  demo,
  completion,
  // These ask a running instance.
  status,
  reload,
  targets_list,
  targets_add,
  targets_drain,
  targets_enable,
  targets_remove,
};

enum class Shell : std::uint8_t { bash, zsh };

// Of the commands that ask a running instance.
struct AdminOptions {
  std::string admin = "http://127.0.0.1:9901";  // its admin listener
  std::string token_file;                       // empty: no token is sent
  bool json = false;                            // print what it answers, as it is
  std::string group;                            // empty: all; or the only one, for changes
  std::vector<std::string> targets;             // ids, or addresses to add
  std::optional<std::uint32_t> weight;          // nothing: the instance chooses
  bool wait = false;                            // until the targets are drained, or gone
  // For the whole command, 1 ms to 1 d; nothing: 10 s, 60 s for a reload, 10 min with `wait`.
  std::optional<std::chrono::milliseconds> timeout;
};

struct Options {
  Command command = Command::run;
  std::string config;
  Shell shell = Shell::bash;
  AdminOptions admin;
};

// Nothing when the program is to end now (help, version, wrong usage): `exit_status` then says how.
[[nodiscard]] std::optional<Options> parse_options(int count, char** arguments, int& exit_status);

// A script for the shell that completes commands and options.
[[nodiscard]] std::string completion_script(Shell shell);

// Version, commit, compiler and the versions of the libraries, one per line.
[[nodiscard]] std::string version_text();

}  // namespace sluice::app
