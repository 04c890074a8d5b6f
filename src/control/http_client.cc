#include "control/http_client.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "control/health/time_left.h"
#include "sluice/base/version.h"
#include "sluice/http/h1_parser.h"
#include "sluice/net/deadline.h"
#include "sluice/net/dial.h"
#include "sluice/net/endpoint.h"
#include "sluice/net/secret.h"
#include "sluice/net/transfer.h"
#include "sluice/observe/log.h"
#include "sluice/upstream/body_reader.h"

namespace sluice::control {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using health::TimeLeft;
using net::Transfer;

constexpr std::size_t addresses_max = 4;
constexpr std::size_t head_bytes_max = 32 * 1024;
constexpr int informational_max = 4;
constexpr http::HeadLimits head_limits{.first_line_bytes = 4 * 1024,
                                       .field_bytes = 16 * 1024,
                                       .fields_bytes = head_bytes_max,
                                       .field_count = 100};
constexpr http::BodyLimits body_limits{.chunk_extension_bytes = 1024, .trailer_bytes = 8 * 1024};

HttpAnswer failed(std::string error) { return {.error = std::move(error)}; }

// --- the name -----------------------------------------------------------------------------------

// Outlives the coroutine that asked when the answer comes after it has gone.
struct Lookup {
  net::WaitSlot answered;
  std::vector<net::Endpoint> endpoints;
  std::string error;
};

struct Waiting {
  std::shared_ptr<Lookup> lookup;
  ~Waiting() { lookup->answered.disarm(); }
};

void expire(void* context) { static_cast<net::WaitSlot*>(context)->fire(net::Wake::expired); }

net::Task<std::shared_ptr<Lookup>> look_up(net::Loop& loop, std::string host, std::uint16_t port,
                                           config::Milliseconds timeout) {
  auto lookup = std::make_shared<Lookup>();
  if (const auto literal = net::Endpoint::numeric(host, port)) {
    lookup->endpoints.push_back(*literal);
    co_return lookup;
  }
  tcp::resolver resolver(loop.context);
  const Waiting waiting{lookup};
  net::Deadline deadline(loop.deadlines, expire, &lookup->answered);
  deadline.set(timeout);
  resolver.async_resolve(
      host, std::to_string(port), tcp::resolver::numeric_service,
      [lookup](const boost::system::error_code& error, const tcp::resolver::results_type& found) {
        if (error) lookup->error = error.message();
        for (const auto& entry : found) {
          const tcp::endpoint endpoint = entry.endpoint();
          lookup->endpoints.push_back(
              net::Endpoint::from(endpoint.data(), static_cast<socklen_t>(endpoint.size())));
        }
        lookup->answered.fire(net::Wake::ready);
      });
  const net::Wake wake = co_await lookup->answered.wait();
  // What comes too late is not read: the list may be written to at any time.
  if (wake == net::Wake::ready) co_return lookup;
  auto expired = std::make_shared<Lookup>();
  expired->error = "no answer in time";
  co_return expired;
}

// --- the connection -----------------------------------------------------------------------------

std::string text_of(net::DialError error, const std::string& text) {
  if (!text.empty()) return observe::escaped(text);
  return error == net::DialError::timeout || error == net::DialError::tls_timeout
             ? "no answer in time"
             : "failed";
}

struct Connected {
  std::unique_ptr<net::Stream> stream;
  std::string error;
};

net::Task<Connected> connect(net::Loop& loop, const HttpRequest& request, TimeLeft left) {
  net::Task<std::shared_ptr<Lookup>> asking = look_up(loop, request.host, request.port, left());
  const std::shared_ptr<Lookup> lookup = co_await std::move(asking);
  Connected connected;
  connected.error = "cannot look up " + request.host + ": " + observe::escaped(lookup->error);
  std::vector<net::Endpoint> endpoints = lookup->endpoints;
  if (endpoints.size() > addresses_max) endpoints.resize(addresses_max);
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    const net::Endpoint& endpoint = endpoints[i];
    if (net::is_metadata_address(endpoint) && !request.is_for_metadata) {
      connected.error = "the instance metadata address is not asked";
      continue;
    }
    // One that does not answer leaves time for the others.
    const auto share = left() / static_cast<std::int64_t>(endpoints.size() - i);
    net::Dialed dialed =
        co_await net::dial(loop, endpoint, std::max(share, config::Milliseconds(1)));
    if (dialed.stream == nullptr) {
      connected.error = endpoint.text() + ": " + text_of(dialed.error, dialed.error_text);
      continue;
    }
    if (request.tls == nullptr) {
      connected.stream = std::move(dialed.stream);
      connected.error.clear();
      co_return connected;
    }
    net::SslPointer session = request.tls->new_session(request.host);
    if (session == nullptr) {
      connected.error = "no memory for TLS";
      co_return connected;
    }
    dialed.stream->use_tls(std::move(session));
    const net::HandshakeResult result = co_await net::handshake(*dialed.stream, left());
    if (result.error != net::DialError::none) {
      connected.error = endpoint.text() + ": TLS: " + text_of(result.error, result.error_text);
      continue;
    }
    connected.stream = std::move(dialed.stream);
    connected.error.clear();
    co_return connected;
  }
  co_return connected;
}

// --- the answer ---------------------------------------------------------------------------------

struct Answer {
  http::ResponseHead head;
  net::Buffer buffer;  // begins with the head
  std::size_t head_bytes = 0;
};

std::string error_of(Transfer end) {
  return end == Transfer::expired ? "the answer was not complete in time" : "the answer broke off";
}

// Empty when the final head is there.
net::Task<std::string> read_head(net::Stream& stream, Answer& answer) {
  http::H1Parser parser(head_limits);
  net::Buffer& buffer = answer.buffer;
  int informational = 0;
  for (;;) {
    if (buffer.has_memory() && !buffer.is_empty()) {
      const http::Progress progress = parser.parse(buffer.unread(), answer.head, http::Method::get);
      if (progress == http::Progress::failed) {
        co_return "not an answer of HTTP/1.1, or its head is too large";
      }
      if (progress == http::Progress::complete) {
        answer.head_bytes = parser.head_bytes();
        if (answer.head.status >= 200) co_return std::string();
        if (++informational > informational_max) co_return "too many 1xx answers";
        buffer.consume(parser.head_bytes());
        parser.reset();
        continue;
      }
      if (buffer.free_space().empty()) buffer.compact();
      if (buffer.free_space().empty() &&
          (buffer.capacity() >= head_bytes_max || !stream.loop().buffers.grow(buffer))) {
        co_return "the head of the answer is too large";
      }
    }
    const Transfer read = co_await net::read_into(stream, buffer, net::BufferPool::smallest);
    if (read != Transfer::ok) co_return error_of(read);
  }
}

net::Task<HttpAnswer> read_content(net::Stream& stream, Answer& answer, std::size_t bytes_max,
                                   TimeLeft left) {
  const std::string too_large = "the answer is larger than " + std::to_string(bytes_max) + " bytes";
  if (answer.head.framing == http::Framing::length && answer.head.content_length > bytes_max) {
    co_return failed(too_large);
  }
  answer.buffer.consume_in_place(answer.head_bytes);
  upstream::BodyReader body(stream);
  body.begin(answer.head.framing, answer.head.content_length, body_limits, answer.buffer.unread());
  HttpAnswer whole;
  for (;;) {
    const upstream::Runs runs = body.take();
    for (const base::Bytes run : runs.items) whole.content.append(base::as_text(run));
    if (whole.content.size() > bytes_max) co_return failed(too_large);
    if (body.has_failed()) co_return failed("the body of the answer is malformed");
    if (body.is_finished()) co_return whole;
    if (runs.bytes > 0) continue;
    const Transfer read = co_await body.fill(left());
    if (read != Transfer::ok) co_return failed(error_of(read));
  }
}

// Empty when a value could end its line.
std::string head_of(const HttpRequest& request) {
  std::string head;
  std::size_t bytes = 256 + request.path.size() + request.authority.size();
  for (const auto& [name, value] : request.fields) bytes += name.size() + value.size() + 4;
  head.reserve(bytes);  // a string that grows leaves copies behind
  head.append(request.method).append(" ").append(request.path).append(" HTTP/1.1\r\nHost: ");
  head.append(request.authority).append("\r\nUser-Agent: Sluice/").append(base::version);
  head.append("\r\nConnection: close\r\n");
  if (!request.content.empty() || request.method != "GET") {
    head += "Content-Length: " + std::to_string(request.content.size()) + "\r\n";
  }
  for (const auto& [name, value] : request.fields) {
    if (!std::ranges::all_of(value, [](char c) { return c >= ' ' && c <= '~'; })) {
      net::wipe(head);
      return head;
    }
    head.append(name).append(": ").append(value).append("\r\n");
  }
  head += "\r\n";
  return head;
}

// Its secrets are gone with it, however it ends.
struct Wiped {
  HttpRequest& request;
  ~Wiped() {
    for (auto& [name, value] : request.fields) net::wipe(value);
    net::wipe(request.content);
  }
};

// Empty when all was sent.
net::Task<std::string> send(net::Stream& stream, const HttpRequest& request, TimeLeft left) {
  std::string head = head_of(request);
  if (head.empty()) co_return "a field of the request is not printable";
  net::Writer writer(stream, left());
  Transfer sent = writer.start({base::as_bytes(head), base::as_bytes(request.content)});
  if (writer.is_unfinished()) sent = co_await writer.finish();
  net::wipe(head);
  co_return sent == Transfer::ok ? "" : "broke off while it was asked";
}

}  // namespace

net::Task<HttpAnswer> http_ask(net::Loop& loop, HttpRequest request, config::Milliseconds timeout) {
  const TimeLeft left(loop, timeout);
  const Wiped wiped{request};
  Connected connected = co_await connect(loop, request, left);
  if (connected.stream == nullptr) co_return failed(std::move(connected.error));
  net::Stream& stream = *connected.stream;
  std::string error = co_await send(stream, request, left);
  if (!error.empty()) co_return failed(std::move(error));
  Answer answer;
  stream.set_read_deadline(left());
  error = co_await read_head(stream, answer);
  stream.clear_read_deadline();
  if (!error.empty()) co_return failed(std::move(error));
  if (answer.head.fields.find(http::FieldName::content_encoding) != nullptr) {
    co_return failed("the answer is compressed, which was not asked for");
  }
  const int status = answer.head.status;
  std::string date;
  if (const auto* field = answer.head.fields.find(http::FieldName::date)) date = field->value;
  HttpAnswer whole = co_await read_content(stream, answer, request.bytes_max, left);
  whole.status = status;
  whole.date = std::move(date);
  co_return whole;
}

net::Task<HttpAnswer> http_get(net::Loop& loop, HttpRequest request, config::Milliseconds timeout) {
  request.method = "GET";
  net::Task<HttpAnswer> ask = http_ask(loop, std::move(request), timeout);
  HttpAnswer answer = co_await std::move(ask);
  if (answer.status != 0 && answer.status != 200) {
    const bool is_redirect = answer.status >= 300 && answer.status < 400;
    co_return failed("answered " + std::to_string(answer.status) +
                     (is_redirect ? "; redirects are not followed" : ""));
  }
  co_return answer;
}

}  // namespace sluice::control
