// response_headers: { set: { X-Frame-Options: DENY }, remove: [Server] } - the fields of an answer,
// the target's or our own, as the client gets them.
#include "route/filters/header_edits.h"
#include "route/filters/readers.h"

namespace sluice::route {

void read_response_headers(const config::Node& value, Filters& filters,
                           const FilterContext& /*context*/, config::Problems& problems) {
  if (auto edits = read_header_edits(value, ValueTemplate::Place::answer, problems)) {
    filters.response_headers = std::move(edits);
  }
}

}  // namespace sluice::route
