// Which target a client's session belongs to, and the cookie that says so next time.
//
// lb_cookie: one cookie of ours holds target and time, sealed (net/seal.h) for its group. It is
// written anew with the first answer after a tenth of the duration, where ALB writes it with each:
// a session ends between nine tenths of the duration and the whole of it after its last request.
// app_cookie: the same in a companion of the application's cookie, named after the group. It counts
// only together with that cookie, whose value is never looked at, and is first written when an
// answer of a target sets that. hash: nothing is stored, the request's key decides.
// What is not ours, too old or forged counts as no session: another target is chosen, never an
// error. Cookies of ours are passed on to targets, as ALB does; there they say nothing to anybody.
// One thread per exchange.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/session_cookie.h"
#include "sluice/base/clock.h"
#include "sluice/proxy/exchange.h"
#include "sluice/target/target.h"

namespace sluice::proxy {

struct StickySession {
  using Kind = SessionKind;
  Kind kind = Kind::none;
  std::string target_id;              // kind found; else empty
  base::WallTime issued_at{};         // kind found; whole milliseconds
  std::optional<std::uint64_t> hash;  // type hash, when the request has the key
};

// To be asked once, when the group is known.
[[nodiscard]] StickySession find_session(const Exchange& exchange);

// What came of it, to be counted once per exchange that got an answer from `chosen`. Nothing for
// type hash and without stickiness: there is no telling.
[[nodiscard]] std::optional<upstream::SessionResult> session_result(const Exchange& exchange,
                                                                    const StickySession& session,
                                                                    const target::Target& chosen);

// The value of the Set-Cookie field that goes with the answer in `exchange.answer`, which came from
// `chosen`; empty: none.
[[nodiscard]] std::string set_cookie_for(const Exchange& exchange, const StickySession& session,
                                         const target::Target& chosen);

// The companion's name: SLUICEAPP- and sixteen hexadecimal digits of the group's name.
[[nodiscard]] std::string companion_cookie_name(std::string_view group);

}  // namespace sluice::proxy
