// The filter error_pages, for one exchange.
#pragma once

#include <cstdint>
#include <string>

#include "sluice/proxy/exchange.h"
#include "sluice/route/filters/error_pages.h"

namespace sluice::proxy {

// What is shown with an error of ours; null: the usual text. Lives as long as the exchange.
[[nodiscard]] const route::ErrorPages::Page* page_for(const Exchange& exchange,
                                                      std::uint16_t status);

// What is shown instead of the target's answer, which has come as far as its head; null: that
// answer. Never for gRPC, whose status is not HTTP's.
[[nodiscard]] const route::ErrorPages::Page* page_instead_of_answer(const Exchange& exchange);

// Of the answer that is replaced, what its status means nothing without: whole lines.
[[nodiscard]] std::string fields_that_stay(const Exchange& exchange);

}  // namespace sluice::proxy
