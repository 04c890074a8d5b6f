// One client connection: TLS handshake, then exchanges one after the other, then an orderly end.
//
// Owns itself: made when a socket is accepted, gone when its coroutine ends. While it is idle it
// holds no buffer and no exchange. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sluice/net/endpoint.h"
#include "sluice/net/stream.h"
#include "sluice/net/transfer.h"
#include "sluice/observe/access_log.h"
#include "sluice/proxy/worker.h"

namespace sluice::proxy {

// What becomes of the connection after an exchange.
enum class After : std::uint8_t {
  keep,   // next request
  close,  // orderly: what the client still sends is read and dropped for a while, so that it gets
          // our answer
  cut,    // at once, without TLS's close_notify: the answer broke off, and its framing shows it
  abort,  // with a reset: only that shows that an answer without framing broke off
};

class H2Connection;
// Whom a header of the PROXY protocol names.
struct NamedClient {
  net::Endpoint client;
  std::string address;  // text, made once
  net::Endpoint destination;
  std::string facts;  // the lines X-Forwarded-Proto and X-Forwarded-Port
  std::unique_ptr<const observe::ProxyFacts> told;  // for the log; null: nothing
};

class Connection {
 public:
  Connection(Worker& worker, std::shared_ptr<ListenerSlot> slot, net::OwnedFd fd,
             const net::Endpoint& peer);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The whole life; the coroutine owns the connection.
  [[nodiscard]] static net::Task<> serve(std::unique_ptr<Connection> connection);

  // Its listener is gone: if it waits for a request, it waits a second longer and no more.
  void end_idle_soon();
  // Closes it if it waits for a request; otherwise it ends with the answer under way.
  void close_if_idle();
  // Its exchange is at a target of `pool`, whose deregistration delay is over: that ends.
  void end_exchange_with(const upstream::Pool& pool);
  // The worker begins to drain: over HTTP/2 the client is told at once.
  void announce_end();
  // Ends it now, whatever it does.
  void cut();

  [[nodiscard]] Worker& worker() { return worker_; }
  [[nodiscard]] net::Stream& stream() { return stream_; }
  [[nodiscard]] ListenerSlot& slot() { return *slot_; }
  [[nodiscard]] const net::Stream& stream() const { return stream_; }
  // The other end of the socket.
  [[nodiscard]] const net::Endpoint& peer() const { return peer_; }
  // Who connected: the peer, or whom its header of the PROXY protocol names.
  // What else its header said; null: nothing.
  [[nodiscard]] const observe::ProxyFacts* told_by_proxy() const {
    return named_ ? named_->told.get() : nullptr;
  }
  [[nodiscard]] const net::Endpoint& client() const { return named_ ? named_->client : peer_; }
  [[nodiscard]] const std::string& client_address() const {
    return named_ ? named_->address : peer_address_;
  }
  // Where the client connected to: our end of the socket, or what the header names.
  [[nodiscard]] net::Endpoint destination() const;
  // The port of it for X-Forwarded-Port: the header's, else the listener's.
  [[nodiscard]] std::uint16_t destination_port() const;
  // The lines X-Forwarded-Proto and X-Forwarded-Port.
  [[nodiscard]] const std::string& forwarded_facts() const;
  [[nodiscard]] bool is_tls() const { return stream_.is_tls(); }
  [[nodiscard]] const std::string& sni() const { return sni_; }
  // The X-Amzn-Mtls-* lines of every request to a target; empty without a client's certificate.
  [[nodiscard]] const std::string& client_certificate_fields() const {
    return client_certificate_fields_;
  }

  // Received and not yet consumed; memory only while there is something.
  net::Buffer received;
  // True when this answer has to be the connection's last, whatever the client wishes.
  [[nodiscard]] bool must_close() const;
  void count_request() { ++requests_; }
  // How long it may wait for a request from now on.
  [[nodiscard]] config::Milliseconds idle_time() const;
  [[nodiscard]] config::Milliseconds header_timeout() const;
  [[nodiscard]] config::Milliseconds client_write_timeout() const;

 private:
  friend class Worker;
  friend class ProxyHeaderReader;
  [[nodiscard]] net::Task<bool> secure();
  [[nodiscard]] net::Task<After> run_exchange();
  [[nodiscard]] net::Task<> linger();
  [[nodiscard]] net::Task<observe::Reason> read_request_head(Exchange& exchange);
  [[nodiscard]] net::Task<bool> speaks_http2();
  [[nodiscard]] bool has_unread_input() const;

  Worker& worker_;
  std::shared_ptr<ListenerSlot> slot_;
  net::Stream stream_;
  net::Endpoint peer_;
  std::string peer_address_;  // text, made once
  std::unique_ptr<const NamedClient> named_;
  std::string sni_;
  std::string client_certificate_fields_;  // text, made once
  base::SteadyTime accepted_at_;
  Exchange* exchange_ = nullptr;      // while there is one, over HTTP/1
  std::unique_ptr<H2Connection> h2_;  // null over HTTP/1
  std::uint32_t requests_ = 0;
  std::size_t index_ = 0;  // in the worker's list
  bool idle_ = false;
  bool unfinished_request_ = false;  // the last request's body was not read to its end
};

}  // namespace sluice::proxy
