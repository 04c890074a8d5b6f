#include "proxy/filters/basic_auth.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "proxy/amendments.h"
#include "proxy/filters/basic_credentials.h"
#include "proxy/interrupt.h"
#include "proxy/request_pump.h"
#include "sluice/net/deadline.h"

namespace sluice::proxy {
namespace {

using observe::Metric;
using observe::Reason;
using Verdict = net::PasswordHash::Verdict;

// Only a long queue of costly hashes takes so long.
constexpr std::chrono::milliseconds patience{30'000};

void expire(void* context) { static_cast<net::WaitSlot*>(context)->fire(net::Wake::expired); }

// While it lives, a request waits for a verdict, until its client leaves.
class Waiting {
 public:
  Waiting(Exchange& exchange, std::shared_ptr<PasswordTicket> ticket, observe::Gauge& gauge)
      : exchange_(exchange), ticket_(std::move(ticket)), gauge_(gauge) {
    gauge_.add(1);
    exchange_.amendments->awaited = &ticket_->ended;
    watch_client(exchange_);
  }
  ~Waiting() {
    unwatch_client(exchange_);
    exchange_.amendments->awaited = nullptr;
    gauge_.add(-1);
    ticket_->abandon();
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  [[nodiscard]] PasswordTicket& ticket() { return *ticket_; }

 private:
  Exchange& exchange_;
  std::shared_ptr<PasswordTicket> ticket_;
  observe::Gauge& gauge_;
};

// Nothing found out in time, or not asked, for there is no room or the process ends.
net::Task<Verdict> verify(Exchange& exchange, PasswordVerifier::Question& question) {
  Worker& worker = exchange.worker();
  Passwords& passwords = worker.passwords();
  if (passwords.verifier == nullptr || worker.is_cutting()) co_return Verdict::failed;
  auto ticket = passwords.verifier->ask(std::move(question), worker.loop());
  if (ticket == nullptr) co_return Verdict::failed;
  Waiting waiting(exchange, std::move(ticket), passwords.waiting);
  if (end_of_all_tries(exchange) != Reason::none) co_return Verdict::failed;
  net::Deadline deadline(worker.loop().deadlines, expire, &waiting.ticket().ended);
  deadline.set(patience);
  const net::Wake wake = co_await waiting.ticket().ended.wait();
  (void)wake;
  co_return waiting.ticket().verdict.value_or(Verdict::failed);
}

// Of whoever was told whether a name or a password is wrong, names could be had.
Reason refuse(Exchange& exchange, const route::BasicAuth& settings, Reason reason) {
  std::string& lines = exchange.amendments->refusal_lines;
  if (reason == Reason::basic_auth_unavailable) {
    lines += "Retry-After: 1\r\n";
  } else {
    lines.append("WWW-Authenticate: ").append(settings.challenge).append("\r\n");
  }
  return reason;
}

void tell_target(Exchange& exchange, const route::BasicAuth& settings, std::string_view user) {
  Amendments& amendments = *exchange.amendments;
  amendments.user = user;
  if (!settings.forward_authorization) amendments.request.drop("Authorization");
  if (settings.user_header.empty()) return;
  amendments.request.drop(settings.user_header);  // the client's own
  amendments.request.lines.append(settings.user_header).append(": ").append(user).append("\r\n");
}

}  // namespace

Passwords::Passwords(observe::Cells& cells, PasswordVerifier* verifier_of_all)
    : verifier(verifier_of_all),
      hits(cells.counter(Metric::basic_auth_cache_total, {"hit"})),
      misses(cells.counter(Metric::basic_auth_cache_total, {"miss"})),
      waiting(cells.gauge(Metric::basic_auth_waiting)) {}

net::Task<Reason> check_password(Exchange& exchange, const route::BasicAuth& settings) {
  BasicCredentials credentials;
  switch (find_credentials(exchange.request.fields, credentials)) {
    case CredentialsFault::none: break;
    case CredentialsFault::missing:
      co_return refuse(exchange, settings, Reason::basic_auth_missing);
    case CredentialsFault::malformed:
      co_return refuse(exchange, settings, Reason::basic_auth_malformed);
  }
  Worker& worker = exchange.worker();
  PasswordVerifier::Question question{.account = settings.account_of(credentials.user),
                                      .cache = settings.cache,
                                      .queue = settings.queue,
                                      .waiting = settings.waiting};
  if (!settings.cache->key(credentials.user, credentials.password, question.account.hash->text(),
                           question.account.is_known, question.key)) {
    co_return refuse(exchange, settings, Reason::basic_auth_unavailable);
  }
  const auto known = settings.cache->find(question.key, worker.loop().clock.now());
  (known ? worker.passwords().hits : worker.passwords().misses).add();
  Verdict verdict = known.value_or(false) ? Verdict::matches : Verdict::differs;
  if (!known) {
    question.password = std::move(credentials.password);
    verdict = co_await verify(exchange, question);
    const Reason end = end_of_all_tries(exchange);  // the client left, or we do
    if (end != Reason::none) co_return end;
  }
  if (verdict == Verdict::failed) {
    co_return refuse(exchange, settings, Reason::basic_auth_unavailable);
  }
  if (verdict == Verdict::differs) {
    co_return refuse(exchange, settings, Reason::basic_auth_refused);
  }
  tell_target(exchange, settings, credentials.user);
  co_return Reason::none;
}

}  // namespace sluice::proxy
