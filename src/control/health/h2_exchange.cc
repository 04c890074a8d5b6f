#include "control/health/h2_exchange.h"

#include <array>
#include <utility>
#include <vector>

#include "control/health/finding.h"
#include "sluice/base/text.h"
#include "sluice/http/h2_head.h"
#include "sluice/net/dial.h"
#include "sluice/net/transfer.h"
#include "sluice/observe/log.h"

namespace sluice::control::health {

namespace {

using net::Transfer;
using observe::Reason;
using target::StateReason;

constexpr std::size_t content_bytes_max = 256 * 1024;
constexpr std::size_t output_bytes = 64 * 1024;
constexpr int informational_max = 16;

http::H2Settings session_settings() {
  http::H2Settings settings;
  settings.max_concurrent_streams = 0;
  settings.max_window_bytes = settings.initial_window_bytes;
  settings.header_count = 200;
  return settings;
}

// The one stream of its own session.
class Asker final : public http::H2Stream, private http::H2Session::Owner {
 public:
  Asker(const H2Request& request, H2Answer& answer)
      : request_(request),
        answer_(answer),
        session_(http::H2Session::Role::client, session_settings(), *this) {}

  [[nodiscard]] http::H2Session& session() { return session_; }
  [[nodiscard]] const Finding& finding() const { return finding_; }
  [[nodiscard]] bool is_over() const { return is_over_; }
  [[nodiscard]] bool begin(std::span<const http::H2Session::Line> lines) {
    if (!session_.open(*this, lines, request_.content.empty())) return false;
    if (request_.content.empty()) return true;
    const std::array<base::Bytes, 1> pieces{base::as_bytes(request_.content)};
    return session_.send_data(*this, pieces, true);
  }

 private:
  void fail(StateReason reason, std::string detail) {
    if (!is_over_) finding_ = {reason, std::move(detail)};
    is_over_ = true;
  }

  void on_head(http::H2Fields&& fields, Reason defect, bool ends) override {
    answer_.head_fields = std::move(fields);
    if (defect != Reason::none) {
      return fail(StateReason::response_too_large, "the head of the answer");
    }
    if (http::read_response_head(answer_.head_fields, ends, request_.method, answer_.head) !=
        Reason::none) {
      return fail(StateReason::response_malformed, "not an answer of HTTP/2");
    }
    if (answer_.head.status < 200) {
      if (++informational_ > informational_max) {
        fail(StateReason::response_too_large, "too many 1xx answers");
      }
      return;
    }
    if (!request_.wants_content) is_over_ = true;
  }
  void on_data(base::Bytes content) override {
    session_.consumed(*this, content.size());
    if (is_over_) return;
    if (answer_.content.size() + content.size() > content_bytes_max) {
      return fail(StateReason::response_too_large, "the body of the answer");
    }
    answer_.content.append(base::as_text(content));
  }
  void on_end(http::H2Fields&& trailers) override {
    answer_.trailer_fields = std::move(trailers);
    if (http::read_trailers(answer_.trailer_fields, answer_.trailers) != Reason::none) {
      return fail(StateReason::response_malformed, "the trailers of the answer");
    }
    is_over_ = true;
  }
  void on_drained() override {}
  void on_closed(Reason reason, std::uint32_t /*error_code*/) override {
    const std::string_view why = reason == Reason::none ? "closed" : observe::text(reason);
    fail(reason == Reason::h2_reset_by_peer || reason == Reason::h2_unprocessed
             ? StateReason::connection_failed
             : StateReason::response_malformed,
         "the stream ended: " + std::string(why));
  }

  http::H2Stream* new_stream() override { return nullptr; }
  void on_peer_settings() override {}
  void on_goaway(std::int32_t /*last_stream_id*/, std::uint32_t /*error_code*/) override {}
  void on_pong() override {}

  const H2Request& request_;
  H2Answer& answer_;
  Finding finding_;
  int informational_ = 0;
  bool is_over_ = false;
  http::H2Session session_;
};

std::vector<http::H2Session::Line> lines_of(const H2Request& request) {
  std::vector<http::H2Session::Line> lines{{":method", request.method_text},
                                           {":scheme", request.scheme},
                                           {":authority", request.authority},
                                           {":path", request.path}};
  std::string_view rest = request.fields;
  for (std::size_t end = rest.find("\r\n"); end != std::string_view::npos;
       end = rest.find("\r\n")) {
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, colon);
    lines.push_back({name, base::trim(line.substr(colon + 1)),
                     base::equals_ignoring_case(name, "authorization")});
  }
  return lines;
}

}  // namespace

net::Task<H2Dialed> dial_http2(net::Loop& loop, Subject subject,
                               std::shared_ptr<const net::ClientTlsContext> tls,
                               config::Milliseconds timeout) {
  const TimeLeft left(loop, timeout);
  H2Dialed out;
  net::Dialed dialed = co_await net::dial(loop, subject.endpoint, timeout);
  if (dialed.stream == nullptr) {
    out.finding = finding_of(dialed.error, std::move(dialed.error_text));
    co_return out;
  }
  if (tls != nullptr) {
    const std::vector<std::string> protocols{"h2"};
    net::SslPointer session = tls->new_session(subject.host, protocols);
    if (session == nullptr) {
      out.finding = {StateReason::internal_error, "no memory for TLS"};
      co_return out;
    }
    dialed.stream->use_tls(std::move(session));
    net::HandshakeResult result = co_await net::handshake(*dialed.stream, left());
    if (result.error == net::DialError::none && dialed.stream->tls_alpn() != "h2") {
      result = {net::DialError::tls_failed, "the target does not choose h2 in ALPN"};
    }
    if (result.error != net::DialError::none) {
      out.finding = finding_of(result.error, std::move(result.error_text));
      co_return out;
    }
  }
  out.stream = std::move(dialed.stream);
  co_return out;
}

net::Task<Finding> exchange_http2(net::Stream& stream, H2Request request, H2Answer& answer,
                                  TimeLeft left) {
  Asker asker(request, answer);
  const std::vector<http::H2Session::Line> lines = lines_of(request);
  if (!asker.begin(lines)) {
    co_return Finding{StateReason::internal_error, "the request could not be made"};
  }
  net::Buffer output;
  net::Buffer input;
  for (;;) {
    output = stream.loop().buffers.borrow(output_bytes);
    output.commit(asker.session().send(output.free_space()));
    if (!output.is_empty()) {
      net::Writer writer(stream, left());
      Transfer sent = writer.start({output.unread()});
      if (writer.is_unfinished()) sent = co_await writer.finish();
      if (sent == Transfer::expired) co_return Finding{StateReason::timeout, "takes no request"};
      if (sent != Transfer::ok) {
        co_return Finding{StateReason::connection_failed, "broke off while it was asked"};
      }
    }
    if (asker.is_over()) co_return asker.finding();
    stream.set_read_deadline(left());
    const Transfer read = co_await net::read_into(stream, input, net::BufferPool::smallest);
    stream.clear_read_deadline();
    if (read == Transfer::expired) co_return Finding{StateReason::timeout, "no answer in time"};
    if (read != Transfer::ok) {
      std::string detail = read == Transfer::closed ? "closed without an answer" : "broke off";
      const std::string error = stream.take_error_text();
      if (!error.empty()) detail += ": " + observe::escaped(error);
      co_return Finding{StateReason::connection_failed, std::move(detail)};
    }
    const Reason reason = asker.session().receive(input.unread(), stream.loop().clock.now());
    input.consume(input.unread().size());
    if (reason != Reason::none) {
      co_return Finding{StateReason::response_malformed,
                        "not HTTP/2: " + observe::escaped(asker.session().error_text())};
    }
    if (asker.is_over()) asker.session().terminate(http::H2Error::no_error);
  }
}

std::string authority_of(const Subject& subject, bool is_tls) {
  if (subject.host.empty()) return "localhost";  // a Unix socket has no name
  const bool is_v6 = subject.host.find(':') != std::string::npos;
  std::string out = is_v6 ? "[" + subject.host + "]" : subject.host;
  const std::uint16_t port = subject.endpoint.port();
  if (port == (is_tls ? 443 : 80)) return out;
  out += ':';
  base::append_decimal(out, port);
  return out;
}

}  // namespace sluice::control::health
