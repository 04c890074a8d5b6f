// Which of a rule's target groups takes a request: its session's, or one by weight.
//
// The session is a cookie of ours that names the group, sealed for the cookie's name: rules that
// are given the same name share sessions where they have groups in common. It lasts from the
// client's last request on, over reloads and changed weights, also of 0; when its group has left
// the rule, or is passed over by `fallback`, another one is drawn and the cookie rewritten. One
// thread per exchange.
#pragma once

#include "proxy/session_cookie.h"
#include "sluice/proxy/exchange.h"
#include "sluice/route/action.h"

namespace sluice::proxy {

struct GroupSession {
  SessionKind kind = SessionKind::none;
  bool is_kept = false;        // its group takes the request
  base::WallTime issued_at{};  // kind found
};

// Sets exchange.group, group_settings and rule_group. `forward`: of the exchange's rule.
[[nodiscard]] GroupSession choose_group(Exchange& exchange, const route::Forward& forward);

// To be called once, when a target has answered: how the session fared, and what the client is
// given to keep.
void count_group_session(const Exchange& exchange, const GroupSession& session);
void add_group_cookies(Exchange& exchange, const GroupSession& session);

}  // namespace sluice::proxy
