// Small files, read whole. Blocks on the disk: control thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace sluice::base {

struct FileContent {
  std::string bytes;
  bool is_readable_by_all = false;
};

// A regular file of at most `limit` bytes; nothing, and why, otherwise. `bytes` is its only copy in
// memory, so that whoever reads a secret can wipe it.
[[nodiscard]] std::optional<FileContent> read_file(const std::string& path, std::size_t limit,
                                                   std::string& error);

}  // namespace sluice::base
