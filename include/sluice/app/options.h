// The command line: what to do and with which file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sluice::app {

enum class Command : std::uint8_t { run, check, demo };

struct Options {
  Command command = Command::run;
  std::string config;
};

// Nothing when the program is to end now (help, version, wrong usage): `exit_status` then says how.
[[nodiscard]] std::optional<Options> parse_options(int count, char** arguments, int& exit_status);

// Version, commit, compiler and the versions of the libraries, one per line.
[[nodiscard]] std::string version_text();

}  // namespace sluice::app
