// The commands that ask a running instance, through its admin listener.
#pragma once

#include "sluice/app/options.h"

namespace sluice::app {

// Does one of them, prints what came of it, and returns the exit status: 0, or 1 with one line on
// standard error for each thing that went wrong. Blocks, for as long as `options.timeout` allows.
// Thread: main, with nothing else started.
[[nodiscard]] int run_admin_command(Command command, const AdminOptions& options);

}  // namespace sluice::app
