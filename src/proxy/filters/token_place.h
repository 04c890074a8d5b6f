// Where a request has its token: finding it there, and taking it out. Plain functions; the views
// live as long as the request's own bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "proxy/amendments.h"
#include "sluice/http/message.h"
#include "sluice/route/filters/jwt.h"

namespace sluice::proxy {

struct FoundToken {
  std::string_view token;  // one of them
  std::size_t count = 0;

  void add(std::string_view one) {
    token = one;
    ++count;
  }
};

[[nodiscard]] FoundToken find_token(const http::RequestHead& request, const route::Jwt& settings);

// The target does not get it.
void hide_token(const http::RequestHead& request, const route::Jwt& settings,
                Amendments& amendments);

// `query` without the parameters of that name, percent-encoded or not.
[[nodiscard]] std::string query_without(std::string_view query, std::string_view name);

// The target as the access log may have it: with the token in the query, if it is there, as "-".
[[nodiscard]] std::string target_without_token(std::string_view target, const route::Jwt& settings);

}  // namespace sluice::proxy
