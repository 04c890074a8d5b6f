#include "proxy/h2_server.h"

#include <utility>

#include "proxy/h2_connection.h"
#include "proxy/interrupt.h"
#include "sluice/http/h2_head.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

using http::H2Error;
using observe::Reason;

H2Server::H2Server(H2Connection& connection)
    : H2Channel(connection.link(), connection.connection().client_write_timeout()),
      connection_(connection) {}

void H2Server::on_head(http::H2Fields&& fields, Reason defect, bool ends) {
  fields_ = std::move(fields);
  defect_ = defect;
  ends_with_head_ = ends;
  has_head_ = true;
  connection_.head_came();
  note();
}

void H2Server::begin_body() {
  if (std::exchange(has_begun_body_, true)) restart();
}

void H2Server::watch() {
  is_watched_ = true;
  if (has_gone()) exchange_->client_left = true;
}

// May destroy the stream with its last line.
void H2Server::wake() {
  if (!is_serving_) {
    if (has_head_ && !is_closed()) {
      is_serving_ = true;
      net::spawn(serve(*this));
    } else if (is_closed()) {
      connection_.remove(*this);
    }
    return;
  }
  if (has_gone() && is_watched_ && exchange_ != nullptr && !exchange_->client_left) {
    exchange_->client_left = true;
    note();  // whatever waits on the stream itself is woken after that
    (void)interrupt(*exchange_);
    return;
  }
  H2Channel::wake();
}

bool H2Server::put_head(std::span<const http::H2Session::Line> lines, bool ends) {
  return session()->send_head(*this, lines, ends);
}

// The channel, and this frame's owner, go with the last line.
net::Task<> H2Server::serve(H2Server& self) {
  Connection& connection = self.connection_.connection();
  Worker& worker = connection.worker();
  std::unique_ptr<Exchange> exchange = worker.take_exchange();
  exchange->begin(connection, self, worker.loop().clock.now());
  self.exchange_ = exchange.get();
  Reason defect = http::read_request_head(self.fields_, self.ends_with_head_, connection.is_tls(),
                                          exchange->request, self.joined_cookie_);
  if (self.defect_ != Reason::none) defect = self.defect_;
  exchange->request.http2 = true;
  exchange->request_head_bytes = self.fields_.list_bytes();
  connection.count_request();
  const After after = co_await run(*exchange, defect);
  self.exchange_ = nullptr;
  worker.give_back(std::move(exchange));
  self.end(after, defect);
  self.connection_.remove(self);
}

void H2Server::end(After after, Reason defect) {
  discard_body();
  if (session() == nullptr || is_closed()) return;
  if (defect == Reason::h2_malformed_head) {
    session()->reset(*this, H2Error::protocol_error);
  } else if (after == After::cut || after == After::abort || !was_sent_whole()) {
    session()->reset(*this, H2Error::internal_error);
  } else if (!has_peer_ended()) {
    session()->reset(*this, H2Error::no_error);  // the rest of the request is not wanted
  }
  link().flush_soon();
}

}  // namespace sluice::proxy
