// Elements of a comma-separated field value (RFC 9110 5.6.1). Included by field.h.
#pragma once

#include <string_view>

#include "sluice/base/text.h"

namespace sluice::http {

template <typename Visit>
void for_each_element(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view element = base::trim(list.substr(0, comma));
    if (!element.empty()) visit(element);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace sluice::http
