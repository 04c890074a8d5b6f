// request_headers, response_headers: fields that are renamed, removed, set, added, or set where
// there are none.
#pragma once

#include <string>
#include <vector>

#include "sluice/route/value_template.h"

namespace sluice::route {

// No name belongs to the connection or to the framing of a message, and none occurs twice.
struct HeaderEdits {
  struct Rename {
    std::string from;
    std::string to;
  };
  struct Field {
    std::string name;
    ValueTemplate value;  // one that comes out empty gives no field
  };

  std::vector<Rename> renames;
  std::vector<std::string> removals;
  std::vector<Field> sets;       // in place of what arrived
  std::vector<Field> additions;  // beside it
  std::vector<Field> defaults;   // where nothing arrived

  // Of the fields together that one head gets from templates.
  static constexpr std::size_t lines_bytes_max = 32 * 1024;
};

}  // namespace sluice::route
