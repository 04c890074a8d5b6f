// The filters request_headers and response_headers, for one exchange.
#pragma once

#include <cstdint>

#include "sluice/proxy/exchange.h"
#include "sluice/route/filters/header_edits.h"

namespace sluice::proxy {

// Notes in exchange.amendments what becomes of the fields. False when what they are made of is too
// much; nothing is noted then.
[[nodiscard]] bool edit_request(Exchange& exchange, const route::HeaderEdits& edits);

// The same for an answer of `status`, which cannot be refused any more: a field that would be too
// much is left out, and counted as amended_head_too_large.
void edit_answer(Exchange& exchange, const route::HeaderEdits& edits, std::uint16_t status);

}  // namespace sluice::proxy
