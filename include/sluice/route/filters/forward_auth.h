// forward_auth: a service is asked whether a request may pass.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace sluice::route {

struct ForwardAuth {
  std::size_t group = 0;  // as GroupLookup counts
  std::string group_name;
  std::string path;  // of the question, with its query; empty: the request's own
  std::chrono::milliseconds timeout{5000};
  // Names, in any case; of the request that the question has, too; of the answer that the target
  // gets, nobody else's; of a refusal that the client gets.
  std::vector<std::string> request_headers{"Authorization", "Cookie"};
  std::vector<std::string> answer_headers;
  std::vector<std::string> denied_headers{"WWW-Authenticate", "Location", "Set-Cookie",
                                          "Content-Type"};
  std::size_t answer_bytes = 64 * 1024;  // of a refusal's body; a longer one does not pass
  bool fail_open = false;                // without a verdict the request passes

  bool operator==(const ForwardAuth&) const = default;
};

}  // namespace sluice::route
