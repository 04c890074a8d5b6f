// The filter `compress`: the answer's content, coded on its way to the client.
#pragma once

#include <memory>

#include "sluice/proxy/exchange.h"
#include "sluice/upstream/message.h"

namespace sluice::proxy {

// For an answer whose head was read, before anything of it is sent: decides, and notes in
// exchange.amendments what its head will say. Null: the content passes as it is, or there is none
// (HEAD), though the head may say what it would have been. `content` outlives what is returned.
[[nodiscard]] std::unique_ptr<upstream::Body> compress_answer(Exchange& exchange,
                                                              upstream::Body& content);

}  // namespace sluice::proxy
