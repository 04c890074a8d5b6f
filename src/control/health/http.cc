// http, https: the target answers a request with a status that matches, and, when asked for, a body
// in which an expression is found.
//
// Redirects are not followed: a 302 is an answer like any other. The body is not even read unless
// it has to match. One deadline spans everything.
#include <algorithm>
#include <utility>

#include "control/health/finding.h"
#include "control/health/h2_exchange.h"
#include "control/health/http_settings.h"
#include "control/health/makers.h"
#include "control/health/proxy_header.h"
#include "sluice/base/text.h"
#include "sluice/http/h1_parser.h"
#include "sluice/net/dial.h"
#include "sluice/net/transfer.h"
#include "sluice/observe/log.h"
#include "sluice/upstream/body_reader.h"

namespace sluice::control::health {

namespace {

using config::Milliseconds;
using net::Transfer;
using target::StateReason;

constexpr std::size_t head_bytes_max = 64 * 1024;
constexpr std::size_t body_bytes_max = 256 * 1024;
constexpr int informational_max = 16;
constexpr http::HeadLimits head_limits{.first_line_bytes = 16 * 1024,
                                       .field_bytes = 16 * 1024,
                                       .fields_bytes = head_bytes_max,
                                       .field_count = 200};
constexpr http::BodyLimits body_limits{.chunk_extension_bytes = 1024, .trailer_bytes = 8 * 1024};

Finding malformed(std::string detail) {
  return {StateReason::response_malformed, std::move(detail)};
}

Finding too_large(std::string detail) {
  return {StateReason::response_too_large, std::move(detail)};
}

Finding finding_of_parser(observe::Reason reason) {
  switch (reason) {
    case observe::Reason::request_line_too_long:
    case observe::Reason::header_too_large:
    case observe::Reason::headers_too_large:
    case observe::Reason::too_many_headers: return too_large("the head of the answer");
    default: return malformed("not an answer of HTTP/1.1");
  }
}

// Why the head did not come. `began`: a part of it had.
Finding finding_of_end(Transfer end, bool began, net::Stream& stream) {
  if (end == Transfer::expired) {
    return {StateReason::timeout,
            began ? "the head of the answer was not complete in time" : "no answer in time"};
  }
  if (began) return malformed("the answer broke off in its head");
  std::string detail = end == Transfer::closed ? "closed without an answer" : "broke off";
  const std::string error = stream.take_error_text();
  if (!error.empty()) detail += ": " + observe::escaped(error);
  return {StateReason::connection_failed, std::move(detail)};
}

class Http final : public Check {
 public:
  // `tls`: null for http.
  Http(HttpSettings settings, std::shared_ptr<const net::ClientTlsContext> tls,
       config::ProxyHeaderVersion proxy_protocol, bool is_http2)
      : settings_(std::move(settings)),
        tls_(std::move(tls)),
        proxy_header_(own_proxy_header(proxy_protocol)),
        is_http2_(is_http2) {}

  net::Task<Finding> probe(net::Loop& loop, Subject subject, Milliseconds timeout) const override;

 private:
  struct Answer {
    http::ResponseHead head;
    net::Buffer buffer;  // begins with the head
    std::size_t head_bytes = 0;
  };

  [[nodiscard]] std::string request_to(const Subject& subject) const;
  net::Task<Finding> probe_http2(net::Loop& loop, Subject subject, Milliseconds timeout) const;
  net::Task<Finding> ask(net::Stream& stream, Subject subject, TimeLeft left) const;
  net::Task<Finding> read_head(net::Stream& stream, Answer& answer) const;
  net::Task<Finding> match_body(net::Stream& stream, Answer& answer, TimeLeft left) const;

  const HttpSettings settings_;
  const std::shared_ptr<const net::ClientTlsContext> tls_;
  const std::string proxy_header_;  // sent first; empty: none
  const bool is_http2_;
};

net::Task<Finding> Http::probe(net::Loop& loop, Subject subject, Milliseconds timeout) const {
  const TimeLeft left(loop, timeout);
  if (is_http2_) {
    Finding finding = co_await probe_http2(loop, std::move(subject), timeout);
    co_return finding;
  }
  net::Dialed dialed = co_await net::dial(loop, subject.endpoint, timeout);
  if (dialed.stream == nullptr) co_return finding_of(dialed.error, std::move(dialed.error_text));
  if (!send_proxy_header(*dialed.stream, proxy_header_)) {
    co_return Finding{StateReason::connection_failed, "broke off while it was asked"};
  }
  if (tls_ != nullptr) {
    net::SslPointer session = tls_->new_session(subject.host);
    if (session == nullptr) co_return Finding{StateReason::internal_error, "no memory for TLS"};
    dialed.stream->use_tls(std::move(session));
    net::HandshakeResult result = co_await net::handshake(*dialed.stream, left());
    if (result.error != net::DialError::none) {
      co_return finding_of(result.error, std::move(result.error_text));
    }
  }
  Finding finding = co_await ask(*dialed.stream, std::move(subject), left);
  co_return finding;
}

// A group of HTTP/2 is asked as it is used.
net::Task<Finding> Http::probe_http2(net::Loop& loop, Subject subject, Milliseconds timeout) const {
  const TimeLeft left(loop, timeout);
  H2Dialed dialed = co_await dial_http2(loop, subject, tls_, timeout);
  if (dialed.stream == nullptr) co_return std::move(dialed.finding);
  const std::string authority =
      settings_.host.empty() ? authority_of(subject, tls_ != nullptr) : settings_.host;
  const H2Request request{.method = settings_.method,
                          .method_text = settings_.method_text,
                          .scheme = tls_ != nullptr ? "https" : "http",
                          .authority = authority,
                          .path = settings_.path,
                          .fields = settings_.fields,
                          .content = {},
                          .wants_content = settings_.body_match.has_value()};
  H2Answer answer;
  Finding finding = co_await exchange_http2(*dialed.stream, request, answer, left);
  if (!finding.passed()) co_return finding;
  if (!settings_.matcher.matches(answer.head.status)) {
    co_return Finding{
        StateReason::response_code_mismatch,
        "got " + std::to_string(answer.head.status) + ", want " + settings_.matcher.text()};
  }
  if (settings_.body_match.has_value() && !settings_.body_match->is_found_in(answer.content)) {
    co_return Finding{StateReason::response_body_mismatch, "body_match is not in the body"};
  }
  co_return Finding{};
}

// Some servers want to be told that there is none (RFC 9110 8.6).
bool has_content(http::Method method) {
  return method == http::Method::post || method == http::Method::put ||
         method == http::Method::patch;
}

std::string Http::request_to(const Subject& subject) const {
  std::string out;
  out.reserve(256 + settings_.path.size() + settings_.fields.size());
  out += settings_.method_text;
  out += ' ';
  out += settings_.path;
  out += " HTTP/1.1\r\nHost: ";
  out += settings_.host.empty() ? authority_of(subject, tls_ != nullptr) : settings_.host;
  out += "\r\n";
  out += settings_.fields;
  if (has_content(settings_.method)) out += "Content-Length: 0\r\n";
  out += "Connection: close\r\n\r\n";
  return out;
}

net::Task<Finding> Http::ask(net::Stream& stream, Subject subject, TimeLeft left) const {
  const std::string request = request_to(subject);
  net::Writer writer(stream, left());
  Transfer sent = writer.start({base::as_bytes(request)});
  if (writer.is_unfinished()) sent = co_await writer.finish();
  if (sent == Transfer::expired) co_return Finding{StateReason::timeout, "takes no request"};
  if (sent != Transfer::ok) {
    co_return Finding{StateReason::connection_failed, "broke off while it was asked"};
  }
  Answer answer;
  stream.set_read_deadline(left());
  Finding finding = co_await read_head(stream, answer);
  stream.clear_read_deadline();
  if (!finding.passed()) co_return finding;
  if (!settings_.matcher.matches(answer.head.status)) {
    co_return Finding{
        StateReason::response_code_mismatch,
        "got " + std::to_string(answer.head.status) + ", want " + settings_.matcher.text()};
  }
  if (settings_.body_match.has_value()) finding = co_await match_body(stream, answer, left);
  co_return finding;
}

// Of the final answer; those before it (1xx) are passed over. All of them together are bounded.
net::Task<Finding> Http::read_head(net::Stream& stream, Answer& answer) const {
  http::H1Parser parser(head_limits);
  net::Buffer& buffer = answer.buffer;
  int informational = 0;
  bool began = false;
  for (;;) {
    if (buffer.has_memory() && !buffer.is_empty()) {
      const http::Progress progress = parser.parse(buffer.unread(), answer.head, settings_.method);
      if (progress == http::Progress::failed) co_return finding_of_parser(parser.reason());
      if (progress == http::Progress::complete) {
        answer.head_bytes = parser.head_bytes();
        if (answer.head.status >= 200) co_return Finding{};
        if (answer.head.status == 101) co_return malformed("101, but no upgrade was asked for");
        if (++informational > informational_max) co_return too_large("too many 1xx answers");
        buffer.consume(parser.head_bytes());
        parser.reset();
        continue;
      }
      if (buffer.free_space().empty()) buffer.compact();
      if (buffer.free_space().empty() &&
          (buffer.capacity() >= head_bytes_max || !stream.loop().buffers.grow(buffer))) {
        co_return too_large("the head of the answer");
      }
    }
    const Transfer read = co_await net::read_into(stream, buffer, net::BufferPool::smallest);
    if (read != Transfer::ok) co_return finding_of_end(read, began, stream);
    began = true;
  }
}

net::Task<Finding> Http::match_body(net::Stream& stream, Answer& answer, TimeLeft left) const {
  if (answer.head.framing == http::Framing::length && answer.head.content_length > body_bytes_max) {
    co_return too_large("the body of the answer");
  }
  answer.buffer.consume_in_place(answer.head_bytes);
  upstream::BodyReader body(stream);
  body.begin(answer.head.framing, answer.head.content_length, body_limits, answer.buffer.unread());
  std::string content;
  for (;;) {
    const upstream::Runs runs = body.take();
    for (const base::Bytes run : runs.items) content.append(base::as_text(run));
    if (content.size() > body_bytes_max) co_return too_large("the body of the answer");
    if (body.has_failed()) co_return malformed("the body of the answer");
    if (body.is_finished()) break;
    if (!runs.items.empty()) continue;
    const Transfer read = co_await body.fill(left());
    if (read == Transfer::expired) {
      co_return Finding{StateReason::timeout, "the body was not complete in time"};
    }
    if (read != Transfer::ok) co_return malformed("the body of the answer broke off");
  }
  if (settings_.body_match->is_found_in(content)) co_return Finding{};
  co_return Finding{StateReason::response_body_mismatch, "body_match is not in the body"};
}

}  // namespace

std::shared_ptr<const Check> make_http(const Source& source, config::Problems& problems) {
  return std::make_shared<Http>(read_http_settings(source.node, problems), nullptr,
                                source.group.proxy_protocol, source.group.http2.is_enabled);
}

// As traffic is, the check of an https group is verified as the group says. ALB never verifies;
// over a group of plain HTTP there is nothing that says by what.
std::shared_ptr<const Check> make_https(const Source& source, config::Problems& problems) {
  std::shared_ptr<const net::ClientTlsContext> tls = source.group.tls;
  if (tls == nullptr) {
    config::ClientTls settings;
    settings.verify = false;
    settings.position = source.node.position();
    tls = net::ClientTlsContext::load(settings, problems);
    if (tls == nullptr) return nullptr;
  }
  return std::make_shared<Http>(read_http_settings(source.node, problems), std::move(tls),
                                source.group.proxy_protocol, source.group.http2.is_enabled);
}

}  // namespace sluice::control::health
