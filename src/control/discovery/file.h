// The kind `file`: a list of targets in a file that somebody else writes.
#pragma once

#include <memory>

#include "control/discovery/provider.h"

namespace sluice::control::discovery {

[[nodiscard]] std::shared_ptr<const Source> read_file_source(const config::Node& node,
                                                             config::Problems& problems);

// What a file with this text says; `name` stands for it in the error.
[[nodiscard]] Look read_targets(std::string_view text, const std::string& name);

}  // namespace sluice::control::discovery
