#include "proxy/filters/error_pages.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "proxy/grpc.h"
#include "proxy/headers.h"
#include "sluice/base/text.h"

namespace sluice::proxy {

const route::ErrorPages::Page* page_for(const Exchange& exchange, std::uint16_t status) {
  if (exchange.rule == nullptr) return nullptr;
  const auto& pages = exchange.rule->rule->filters.error_pages;
  return pages != nullptr ? pages->find(status) : nullptr;
}

const route::ErrorPages::Page* page_instead_of_answer(const Exchange& exchange) {
  const auto& pages = exchange.rule->rule->filters.error_pages;
  if (pages == nullptr || !pages->intercept || exchange.answer.status < 400) return nullptr;
  return is_grpc(exchange.request) ? nullptr : pages->find(exchange.answer.status);
}

std::string fields_that_stay(const Exchange& exchange) {
  // How to authenticate, what is allowed, when to come back.
  constexpr std::array<std::string_view, 4> names{"WWW-Authenticate", "Proxy-Authenticate", "Allow",
                                                  "Retry-After"};
  std::string lines;
  for (const http::Field& field : passing_answer_fields(exchange)) {
    const bool stays = std::ranges::any_of(names, [&field](std::string_view name) {
      return base::equals_ignoring_case(name, field.name);
    });
    if (stays) lines.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  return lines;
}

}  // namespace sluice::proxy
