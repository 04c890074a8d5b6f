// The makers of all kinds of conditions, one per file of this folder, for the table in
// conditions.cc. Each returns null, with problems recorded, when it does not like its value.
#pragma once

#include <memory>

#include "sluice/route/condition.h"

namespace sluice::route {

std::unique_ptr<Condition> make_client_certificate(const config::Node& value,
                                                   config::Problems& problems);
std::unique_ptr<Condition> make_cookie(const config::Node& value, config::Problems& problems);
std::unique_ptr<Condition> make_header(const config::Node& value, config::Problems& problems);
std::unique_ptr<Condition> make_host(const config::Node& value, config::Problems& problems);
std::unique_ptr<Condition> make_method(const config::Node& value, config::Problems& problems);
std::unique_ptr<Condition> make_path(const config::Node& value, config::Problems& problems);
std::unique_ptr<Condition> make_path_prefix(const config::Node& value, config::Problems& problems);
std::unique_ptr<Condition> make_path_regex(const config::Node& value, config::Problems& problems);
std::unique_ptr<Condition> make_query(const config::Node& value, config::Problems& problems);
std::unique_ptr<Condition> make_sni(const config::Node& value, config::Problems& problems);
std::unique_ptr<Condition> make_source_ip(const config::Node& value, config::Problems& problems);

// These hold conditions. `depth`: how many of them are around this one.
std::unique_ptr<Condition> make_any(const config::Node& value, unsigned depth,
                                    config::Problems& problems);
std::unique_ptr<Condition> make_not(const config::Node& value, unsigned depth,
                                    config::Problems& problems);

}  // namespace sluice::route
