// Scripts that complete the commands of a program and their options in a shell.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace sluice::app::cli {

[[nodiscard]] std::string bash_completion(const CLI::App& program);
[[nodiscard]] std::string zsh_completion(const CLI::App& program);

}  // namespace sluice::app::cli
