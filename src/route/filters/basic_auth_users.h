// Who may log in: `users` in the configuration, and files as htpasswd makes them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "sluice/config/node.h"
#include "sluice/net/password_hash.h"

namespace sluice::route {

using UsersByName = std::map<std::string, std::shared_ptr<const net::PasswordHash>, std::less<>>;

// A mapping of names to hashes. Each name only once, in both together. Problems never quote a hash:
// it may be a password.
void read_users(const config::Node& node, UsersByName& users, config::Problems& problems);

// A path, of a file of at most 1 MiB: a line `name:hash` for each user; what a further ':' begins
// is a comment, as are lines that begin with '#'. Problems name file and line.
void read_users_file(const config::Node& node, UsersByName& users, config::Problems& problems);

}  // namespace sluice::route
