// The part of a request that decides, by its hash, which target is asked.
#pragma once

#include <cstdint>
#include <optional>

#include "sluice/config/model.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

// Of the first header field, cookie or query parameter of that name, as sent: nothing is decoded,
// so `a%20b` and `a+b` are two keys, and so are names and values that differ in case (but for names
// of fields). Of the path in its normal form, without the query. Of the client's address, as far as
// trusted proxies say who that is. The same in every process. Nothing when the request has no such
// key, or an empty one: that says nothing about who asks, and any target will do.
//
// A client that chooses its key may choose its target by it: the hash is no secret.
[[nodiscard]] std::optional<std::uint64_t> hash_of(const config::HashKey& key,
                                                   const Exchange& exchange);

}  // namespace sluice::proxy
