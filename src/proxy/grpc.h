// What gRPC asks of a proxy beyond HTTP/2: deadlines in a field of the request, and failures told
// as a gRPC status (gRPC over HTTP/2; statuses of grpc/doc/http-grpc-status-mapping).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "sluice/http/message.h"
#include "sluice/observe/reason.h"

namespace sluice::proxy {

// Over HTTP/2, with a content type of gRPC.
[[nodiscard]] bool is_grpc(const http::RequestHead& request);

// `grpc-timeout` (at most 8 digits and a unit), rounded up to milliseconds, at least one; nothing
// when there is none, or one that is malformed, which gRPC servers ignore as well.
[[nodiscard]] std::optional<std::chrono::milliseconds> grpc_timeout(
    const http::RequestHead& request);

// The gRPC status for a failure of ours: `http_status` is what others are told, 0 behind the head
// of an answer.
[[nodiscard]] std::uint32_t grpc_status(observe::Reason reason, std::uint16_t http_status);

}  // namespace sluice::proxy
