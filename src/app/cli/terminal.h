// What an output stream is written to.
#pragma once

#include <cstddef>
#include <optional>

namespace sluice::app::cli {

struct Terminal {
  bool is_terminal = false;
  bool has_colours = false;          // a terminal, unless NO_COLOR or TERM=dumb forbid
  std::optional<std::size_t> width;  // in columns; nothing: as wide as it takes

  // Of a file descriptor.
  static Terminal of(int descriptor);
};

}  // namespace sluice::app::cli
