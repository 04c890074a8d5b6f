#include "proxy/proxy_header_in.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/net/proxy_header.h"
#include "sluice/observe/log.h"
#include "sluice/proxy/snapshot.h"

namespace sluice::proxy {

using net::IoStatus;
using net::ProxyHeaderState;
using observe::Metric;
using observe::Reason;

namespace {

// A stranger that connects without end must not fill the log: a line for each worker and listener.
constexpr std::chrono::seconds time_between_lines{10};
// Looked at in one go; a longer header takes several.
constexpr std::size_t peek_bytes = 2048;

bool is_internet(const net::Endpoint& endpoint) {
  return endpoint.family() == AF_INET || endpoint.family() == AF_INET6;
}

std::unique_ptr<const observe::ProxyFacts> facts_for_log(net::ProxyHeader& header) {
  auto facts = std::make_unique<observe::ProxyFacts>();
  facts->authority = std::move(header.authority);
  facts->unique_id = std::move(header.unique_id);
  facts->alpn = std::move(header.alpn);
  facts->vpc_endpoint = std::move(header.vpc_endpoint);
  if (header.tls.has_value()) {
    constexpr std::uint8_t with_certificate =
        net::ProxyTls::certificate_of_connection | net::ProxyTls::certificate_of_session;
    // 0 also where there was none to verify.
    facts->tls_verified = header.tls->verify == 0 && (header.tls->client & with_certificate) != 0;
    facts->tls_common_name = std::move(header.tls->common_name);
  }
  if (facts->is_empty()) return nullptr;
  return facts;
}

}  // namespace

class ProxyHeaderReader {
 public:
  explicit ProxyHeaderReader(Connection& connection);

  [[nodiscard]] net::Task<bool> run();

 private:
  enum class Step : std::uint8_t { wait, found, none, gone, refused };

  [[nodiscard]] net::Task<Step> read();
  // Takes in what has come. `wait`: it is not enough.
  [[nodiscard]] Step advance();
  [[nodiscard]] net::Task<net::Wake> wait_for_more();
  // How long a client may be silent that need not send a header.
  [[nodiscard]] config::Milliseconds silence() const;
  [[nodiscard]] bool take(base::Bytes bytes);
  [[nodiscard]] Step refuse(observe::Reason reason, std::string_view error);
  void report();

  Connection& connection_;
  const std::shared_ptr<const View> view_;  // over a reload
  const ProxyProtocol& settings_;
  const std::size_t limit_;
  const bool is_trusted_;
  const bool is_tls_;
  const bool is_required_;
  bool has_begun_ = false;      // the first bytes have come
  std::vector<char> received_;  // of the header, taken from the socket
  net::ProxyHeader header_;
  observe::Reason reason_ = observe::Reason::none;
  std::string_view error_;
};

ProxyHeaderReader::ProxyHeaderReader(Connection& connection)
    : connection_(connection),
      view_(connection.slot_->view),
      settings_(connection.slot_->listener->settings->proxy_protocol),
      limit_(view_->snapshot->model.limits.proxy_header_bytes),
      is_trusted_(settings_.trusts(connection.peer_)),
      is_tls_(connection.slot_->listener->settings->tls != nullptr),
      is_required_(settings_.mode == config::ProxyProtocolMode::required) {}

net::Task<bool> ProxyHeaderReader::run() {
  Step end = Step::refused;
  if (is_required_ && !is_trusted_) {
    end = refuse(Reason::proxy_header_untrusted, "not in proxy_protocol.trusted");
  } else {
    end = co_await read();
  }
  if (end == Step::refused) report();
  if (end == Step::refused || end == Step::gone) co_return false;
  // Unix sockets have no address that rules, logs or targets could use: it stays the peer's.
  if (end == Step::found && is_internet(header_.source)) {
    connection_.named_ = std::make_unique<const NamedClient>(
        NamedClient{.client = header_.source,
                    .address = header_.source.address_text(),
                    .destination = header_.destination,
                    .facts = forwarded_facts(is_tls_, header_.destination.port()),
                    .told = facts_for_log(header_)});
  }
  co_return true;
}

net::Task<ProxyHeaderReader::Step> ProxyHeaderReader::read() {
  net::Stream& stream = connection_.stream_;
  // Where no header is needed a client may be silent for as long as it may be anyway.
  stream.set_read_deadline(is_required_ ? settings_.timeout : silence());
  Step step = Step::wait;
  for (;;) {
    const bool had_begun = has_begun_;
    if (stream.may_read()) step = advance();
    if (step != Step::wait) break;
    if (has_begun_ && !had_begun && !is_required_) stream.set_read_deadline(settings_.timeout);
    const net::Wake wake = co_await wait_for_more();
    if (wake == net::Wake::ready) continue;
    const bool is_late = wake == net::Wake::expired && (is_required_ || has_begun_);
    step = is_late ? refuse(Reason::proxy_header_timeout, "not complete in time") : Step::gone;
    break;
  }
  stream.clear_read_deadline();
  co_return step;
}

config::Milliseconds ProxyHeaderReader::silence() const {
  const config::Milliseconds usual = connection_.idle_time();
  return is_tls_ ? std::min(usual, view_->snapshot->model.timeouts.tls_handshake) : usual;
}

// Until its first byte the connection is idle, and ends as idle ones do.
net::Task<net::Wake> ProxyHeaderReader::wait_for_more() {
  connection_.idle_ = !has_begun_;
  const net::Wake wake = co_await connection_.stream_.wait_readable();
  connection_.idle_ = false;
  co_return wake;
}

// Bytes are taken from the socket only when they are certain to be the header's: what follows it, a
// handshake or a request, is still there for whoever reads that.
ProxyHeaderReader::Step ProxyHeaderReader::advance() {
  net::Stream& stream = connection_.stream_;
  std::array<char, peek_bytes> seen;
  for (;;) {
    const net::IoResult peeked = stream.try_peek(seen);
    if (peeked.status == IoStatus::would_block) return Step::wait;
    if (peeked.status != IoStatus::ok) {
      if (!has_begun_) return Step::gone;
      return refuse(Reason::proxy_header_invalid, "broke off");
    }
    has_begun_ = true;
    const std::size_t taken = received_.size();
    received_.insert(received_.end(), seen.begin(),
                     seen.begin() + static_cast<std::ptrdiff_t>(peeked.bytes));
    const net::ProxyHeaderFound found = net::parse_proxy_header(received_, limit_, header_);
    const bool is_header =
        found.state != ProxyHeaderState::undecided && found.state != ProxyHeaderState::absent;
    if (is_header && !is_trusted_) {
      return refuse(Reason::proxy_header_untrusted, "not in proxy_protocol.trusted");
    }
    switch (found.state) {
      case ProxyHeaderState::invalid: return refuse(Reason::proxy_header_invalid, found.error);
      case ProxyHeaderState::absent:
        if (is_required_) return refuse(Reason::proxy_header_invalid, "there is none");
        return Step::none;
      case ProxyHeaderState::undecided:
        received_.resize(taken);
        // No more will come: whoever reads next finds out what it is.
        if (stream.hung_up()) {
          if (is_required_) return refuse(Reason::proxy_header_invalid, "broke off");
          return Step::none;
        }
        return Step::wait;
      case ProxyHeaderState::incomplete:
        if (!take({seen.data(), peeked.bytes})) {
          return refuse(Reason::proxy_header_invalid, "broke off");
        }
        break;
      case ProxyHeaderState::complete:
        if (!take({seen.data(), found.bytes - taken})) {
          return refuse(Reason::proxy_header_invalid, "broke off");
        }
        (void)stream.try_peek(std::span(seen).first(1));  // whether anything is left to read
        return Step::found;
    }
  }
}

// They were just seen, so one read gives them all.
bool ProxyHeaderReader::take(base::Bytes bytes) {
  std::array<char, peek_bytes> dropped;
  const net::IoResult read = connection_.stream_.try_read(std::span(dropped).first(bytes.size()));
  return read.status == IoStatus::ok && read.bytes == bytes.size();
}

ProxyHeaderReader::Step ProxyHeaderReader::refuse(Reason reason, std::string_view error) {
  reason_ = reason;
  error_ = error;
  return Step::refused;
}

void ProxyHeaderReader::report() {
  Worker& worker = connection_.worker_;
  ListenerSlot& slot = *connection_.slot_;
  const std::string_view reason = observe::text(reason_);
  worker.cells().counter(Metric::events_total, {reason}).add();
  worker.cells().counter(Metric::client_connections_rejected_total, {slot.name, reason}).add();
  const base::SteadyTime now = worker.loop().clock.now();
  const bool was_said =
      slot.refusal_said_at != base::SteadyTime{} && now - slot.refusal_said_at < time_between_lines;
  if (was_said) {
    ++slot.unsaid_refusals;
    return;
  }
  std::string line = std::string(reason) + ": " + slot.name + " peer " +
                     observe::escaped(connection_.peer_.text()) + ": " + std::string(error_);
  if (slot.unsaid_refusals > 0) {
    line += "; " + std::to_string(slot.unsaid_refusals) + " more connections since the last line";
  }
  slot.unsaid_refusals = 0;
  slot.refusal_said_at = now;
  observe::log(observe::Level::warning, line);
}

net::Task<bool> read_proxy_header(Connection& connection) {
  ProxyHeaderReader reader(connection);
  const bool goes_on = co_await reader.run();
  co_return goes_on;
}

}  // namespace sluice::proxy
