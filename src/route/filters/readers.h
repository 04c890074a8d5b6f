// The readers of all kinds of filters, one per file of this folder, for the table in filters.cc.
// Each sets its own member of `filters`, or records with `value` what is wrong with it.
#pragma once

#include "sluice/route/filters.h"

namespace sluice::route {

void read_ip_access(const config::Node& value, Filters& filters, const FilterContext& context,
                    config::Problems& problems);
void read_compress(const config::Node& value, Filters& filters, const FilterContext& context,
                   config::Problems& problems);

void read_cors(const config::Node& value, Filters& filters, const FilterContext& context,
               config::Problems& problems);

void read_rate_limit(const config::Node& value, Filters& filters, const FilterContext& context,
                     config::Problems& problems);

void read_basic_auth(const config::Node& value, Filters& filters, const FilterContext& context,
                     config::Problems& problems);

void read_jwt(const config::Node& value, Filters& filters, const FilterContext& context,
              config::Problems& problems);

void read_forward_auth(const config::Node& value, Filters& filters, const FilterContext& context,
                       config::Problems& problems);

void read_rewrite(const config::Node& value, Filters& filters, const FilterContext& context,
                  config::Problems& problems);

void read_request_headers(const config::Node& value, Filters& filters, const FilterContext& context,
                          config::Problems& problems);

void read_mirror(const config::Node& value, Filters& filters, const FilterContext& context,
                 config::Problems& problems);

void read_response_headers(const config::Node& value, Filters& filters,
                           const FilterContext& context, config::Problems& problems);

void read_error_pages(const config::Node& value, Filters& filters, const FilterContext& context,
                      config::Problems& problems);

}  // namespace sluice::route
