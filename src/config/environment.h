// `${NAME}` and `${NAME:-default}` in scalars.
//
// One pass (T27): what is inserted, from the environment or from a default, is not looked at again,
// so a value can never name another variable nor become YAML. `:-` is the shell's: the default also
// stands for a variable that is set and empty. `$${` stands for `${`; a `$` elsewhere is a `$`.
#pragma once

#include <string>
#include <string_view>

namespace sluice::config {

struct Expansion {
  std::string text;
  std::string error;  // empty: none; otherwise `text` is of no use
};

// Reads the environment of the process. Control thread.
[[nodiscard]] Expansion expand_variables(std::string_view text);

}  // namespace sluice::config
