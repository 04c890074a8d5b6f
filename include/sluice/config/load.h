// A YAML file becomes a Model, or a list of everything that is wrong with it.
//
// Reads the file and nothing else: whether certificates load and rules compile is checked by the
// floors that use them (proxy/snapshot), which report into the same Problems. Control thread; may
// block on the file. Bounds (T19): 4 MiB, nesting of 64; anchors, aliases, tags and second
// documents are refused.
//
// `${NAME}` and `${NAME:-default}` in scalars are expanded from the environment in a single pass
// (T27): what was inserted is neither expanded nor parsed again. `$${` stands for `${`.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sluice/config/model.h"

namespace sluice::config {

// Nothing when `problems` has errors.
[[nodiscard]] std::optional<Model> load(const std::string& path, Problems& problems);

// The same from text; `name` stands for the file in messages. For tests and `sluice demo`.
[[nodiscard]] std::optional<Model> load_text(std::string_view text, const std::string& name,
                                             Problems& problems);

// What was understood, errors or not; nothing only when the text is not YAML at all. The invariants
// of Model do not hold when `problems` has errors: it serves for finding the errors of the floors
// above in the same pass, and is never published.
[[nodiscard]] std::optional<Model> read(const std::string& path, Problems& problems);
[[nodiscard]] std::optional<Model> read_text(std::string_view text, const std::string& name,
                                             Problems& problems);

// Any other text of YAML, within the same bounds, as a tree; `name` stands for the file in
// messages. Nothing when it is none. Single values that are wrong are reported, and refused by
// their getters.
[[nodiscard]] std::optional<Node> parse(std::string_view text, const std::string& name,
                                        Problems& problems);

// `host:port`, `[v6]:port`, `unix:/path`; reports into `problems` what is wrong. Host names come
// back in lower case and IP addresses in canonical form, so that equal addresses have equal text.
// Port 0 is let through: it means "any free port" where one listens, and callers that connect
// refuse it.
[[nodiscard]] std::optional<Address> parse_address(const Node& node, Problems& problems);
// The same for a text from elsewhere; `error` says what is wrong with it.
[[nodiscard]] std::optional<Address> parse_address(std::string_view text, std::string& error);

}  // namespace sluice::config
