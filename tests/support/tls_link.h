// Both ends of one TLS connection over a pair of memory BIOs, driven by one thread.
#pragma once

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "sluice/net/tls_context.h"

namespace sluice::support {

class TlsLink {
 public:
  TlsLink(net::SslPointer server, net::SslPointer client)
      : server_(std::move(server)), client_(std::move(client)) {
    BIO* server_side = nullptr;
    BIO* client_side = nullptr;
    BIO_new_bio_pair(&server_side, 0, &client_side, 0);
    SSL_set_bio(server_.get(), server_side, server_side);
    SSL_set_bio(client_.get(), client_side, client_side);
  }
  TlsLink(const TlsLink&) = delete;
  TlsLink& operator=(const TlsLink&) = delete;

  // True when both ends are done; the first error of each is kept otherwise.
  bool handshake() {
    bool progress = true;
    while (progress) {
      const auto before = traffic();
      step(*server_, server_error_);
      step(*client_, client_error_);
      progress = traffic() != before;
    }
    return SSL_is_init_finished(server_.get()) == 1 && SSL_is_init_finished(client_.get()) == 1 &&
           server_error_.empty() && client_error_.empty();
  }

  // With TLS 1.3 the tickets come on the way.
  bool pass_a_byte_to_the_client() {
    char received = 0;
    return SSL_write(server_.get(), "x", 1) == 1 && SSL_read(client_.get(), &received, 1) == 1;
  }

  // An orderly end: OpenSSL's client forgets the ticket of a connection that is freed without.
  void end() { SSL_set_shutdown(client_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); }

  [[nodiscard]] SSL* server() const { return server_.get(); }
  [[nodiscard]] SSL* client() const { return client_.get(); }
  [[nodiscard]] const std::string& server_error() const { return server_error_; }
  [[nodiscard]] const std::string& client_error() const { return client_error_; }

 private:
  static void step(SSL& session, std::string& error) {
    if (!error.empty() || SSL_is_init_finished(&session) == 1) return;
    const int result = SSL_do_handshake(&session);
    const int reason = SSL_get_error(&session, result);
    if (result != 1 && reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
      error = net::tls_error_text(session);
    }
  }

  [[nodiscard]] std::array<std::uint64_t, 4> traffic() const {
    BIO* const server = SSL_get_rbio(server_.get());
    BIO* const client = SSL_get_rbio(client_.get());
    return {BIO_number_read(server), BIO_number_written(server), BIO_number_read(client),
            BIO_number_written(client)};
  }

  net::SslPointer server_;
  net::SslPointer client_;
  std::string server_error_;
  std::string client_error_;
};

}  // namespace sluice::support
