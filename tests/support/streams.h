// Pairs of streams, clear or TLS, over one loop.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/net/dial.h"
#include "sluice/net/stream.h"
#include "sluice/net/tls_context.h"
#include "sluice/net/transfer.h"
#include "support/certificates.h"
#include "support/peer.h"

namespace sluice::net::test {

inline constexpr std::chrono::milliseconds long_time{600'000};

// Contexts of both sides that trust each other, for the name "test.example".
class TlsPair {
 public:
  explicit TlsPair(bool offer_http2 = false) {
    const support::CertificateText text = authority_.issue({.names = {"test.example"}});
    config::ServerTls server;
    server.offer_http2 = offer_http2;
    server.certificates.push_back({.certificate = files_.write("cert.pem", text.certificate),
                                   .key = files_.write("key.pem", text.key),
                                   .position = {}});
    config::ClientTls client;
    client.ca = files_.write("ca.pem", authority_.certificate());
    config::Problems problems;
    server_ = ServerTlsContext::load(server, keys_, problems);
    client_ = ClientTlsContext::load(client, problems);
    EXPECT_FALSE(problems.has_errors());
  }
  [[nodiscard]] SslPointer server() const { return server_->new_session(); }
  [[nodiscard]] SslPointer client(const std::string& name = "test.example",
                                  const std::vector<std::string>& protocols = {}) const {
    return client_->new_session(name, protocols);
  }

 private:
  support::CertificateAuthority authority_;
  support::CertificateDirectory files_;
  TicketKeys keys_;
  std::shared_ptr<const ServerTlsContext> server_;
  std::shared_ptr<const ClientTlsContext> client_;
};

inline Task<> keep_handshake(Stream& stream, std::chrono::milliseconds timeout,
                             HandshakeResult& result, bool& done) {
  result = co_await handshake(stream, timeout);
  done = true;
}

// Two ends of one connection, both ours.
struct Streams {
  Streams(Loop& of, std::pair<OwnedFd, OwnedFd> fds)
      : loop(of), near(of, fds.first.release()), far(of, fds.second.release()) {}

  // `near` is the server. The client offers `protocols` in ALPN.
  void secure(const TlsPair& tls, const std::vector<std::string>& protocols = {}) {
    near.use_tls(tls.server());
    far.use_tls(tls.client("test.example", protocols));
    HandshakeResult server;
    HandshakeResult client;
    bool server_done = false;
    bool client_done = false;
    spawn(keep_handshake(near, long_time, server, server_done));
    spawn(keep_handshake(far, long_time, client, client_done));
    ASSERT_TRUE(support::run_until(loop, [&] { return server_done && client_done; }));
    ASSERT_EQ(server.error, DialError::none) << server.error_text;
    ASSERT_EQ(client.error, DialError::none) << client.error_text;
  }

  Loop& loop;
  Stream near;
  Stream far;
};

inline std::pair<OwnedFd, OwnedFd> tcp_fds() {
  support::Server server;
  support::Peer one = support::connect(server.endpoint());
  std::optional<support::Peer> other = server.accept();
  return {OwnedFd(::fcntl(one.fd(), F_DUPFD_CLOEXEC, 0)),
          OwnedFd(::fcntl(other->fd(), F_DUPFD_CLOEXEC, 0))};
}

inline IoResult write(Stream& stream, std::string_view text) {
  const base::Bytes piece = base::as_bytes(text);
  return stream.try_write({&piece, 1});
}

// What is there now, up to 64 KiB, and how it ended when it did.
struct ReadNow {
  std::string text;
  IoStatus status = IoStatus::would_block;
};
inline ReadNow read_now(Loop& loop, Stream& stream) {
  support::settle(loop);
  ReadNow out;
  std::string block(65536, '\0');
  for (;;) {
    const IoResult result = stream.try_read({block.data(), block.size()});
    out.status = result.status;
    if (result.status != IoStatus::ok) return out;
    out.text.append(block.data(), result.bytes);
  }
}

// Bytes of which every one depends on its place.
inline std::string pattern(std::size_t bytes) {
  std::string out(bytes, '\0');
  std::uint32_t state = 1;
  for (char& byte : out) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<char>(state >> 24);
  }
  return out;
}

struct Sent {
  bool done = false;
  Transfer result = Transfer::ok;
  std::uint64_t bytes = 0;
};
inline Task<> send_all(Stream& stream, base::Bytes text, std::chrono::milliseconds timeout,
                       Sent& sent) {
  Writer writer(stream, timeout);
  sent.result = writer.start({text});
  if (writer.is_unfinished()) sent.result = co_await writer.finish();
  sent.bytes = writer.bytes_written();
  sent.done = true;
}

struct Received {
  bool done = false;
  Transfer result = Transfer::ok;
  std::string text;
};
// Until `bytes` have come or something ends it.
inline Task<> receive_all(Stream& stream, std::size_t bytes, Received& received) {
  Buffer buffer;
  while (received.text.size() < bytes) {
    received.result = co_await read_into(stream, buffer, BufferPool::smallest);
    if (received.result != Transfer::ok) break;
    received.text.append(base::as_text(buffer.unread()));
    buffer.consume(buffer.unread().size());
  }
  received.done = true;
}

}  // namespace sluice::net::test
