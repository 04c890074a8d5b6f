// request_headers: { set: { X-Client: "#{client_ip}" }, remove: [X-Debug] } - the fields of the
// request as the target gets them.
#include "route/filters/header_edits.h"
#include "route/filters/readers.h"

namespace sluice::route {

void read_request_headers(const config::Node& value, Filters& filters,
                          const FilterContext& /*context*/, config::Problems& problems) {
  if (auto edits = read_header_edits(value, ValueTemplate::Place::request, problems)) {
    filters.request_headers = std::move(edits);
  }
}

}  // namespace sluice::route
