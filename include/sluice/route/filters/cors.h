// cors: which pages of other origins may read what is answered (Fetch, "CORS protocol").
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/route/regex.h"

namespace sluice::route {

struct Cors {
  // `https://*.example.com`, cut at its star.
  struct Wildcard {
    std::string before;
    std::string behind;
  };

  bool any_origin = false;  // never together with `credentials`
  std::vector<std::string> origins;
  std::vector<Wildcard> wildcards;
  std::vector<Regex> patterns;  // of the whole origin

  // As fields have them, `A, B`. Nothing: whatever is asked for.
  std::optional<std::string> methods = "GET, HEAD, POST";
  std::optional<std::string> headers = "";
  std::string expose;  // empty: no field
  bool credentials = false;
  std::optional<std::chrono::seconds> max_age;

  [[nodiscard]] bool allows(std::string_view origin) const;
};

}  // namespace sluice::route
