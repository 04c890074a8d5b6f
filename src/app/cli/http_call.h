// One HTTP/1.1 request to an admin listener, on a connection of its own.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "app/cli/address.h"

namespace sluice::app::cli {

inline constexpr std::size_t answer_bytes_max = 32 * 1024 * 1024;  // of its body

struct HttpCall {
  std::string_view method;
  std::string_view path;  // percent-encoded
  std::string_view body;  // JSON; empty: none
  std::string_view token;
};

struct HttpAnswer {
  unsigned status = 0;  // 0: there was none, and `error` says why
  std::string body;
  std::string error;
  bool is_refused = false;  // nobody listens there
};

// Blocks for at most `timeout`, but for looking up a name, which the system's resolver bounds.
[[nodiscard]] HttpAnswer call(const AdminAddress& address, const HttpCall& call,
                              std::chrono::milliseconds timeout);

}  // namespace sluice::app::cli
