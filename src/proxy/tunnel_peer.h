// One of the two peers of a tunnel: the connection of an HTTP/1 upgrade, or the stream of an
// HTTP/2 extended CONNECT (RFC 8441). Bytes either way, nothing else.
#pragma once

#include <chrono>
#include <memory>

#include "sluice/net/buffer.h"
#include "sluice/net/stream.h"
#include "sluice/net/task.h"
#include "sluice/net/transfer.h"

namespace sluice::upstream {
class H2Channel;
}

namespace sluice::proxy {

class TunnelPeer {
 public:
  virtual ~TunnelPeer() = default;
  TunnelPeer(const TunnelPeer&) = delete;
  TunnelPeer& operator=(const TunnelPeer&) = delete;

  // As net::try_read_into; `closed` is the peer's end of sending.
  [[nodiscard]] virtual net::IoStatus try_read_into(net::Buffer& buffer) = 0;
  // Also goes on when `cancel_reader` is called.
  [[nodiscard]] virtual net::WaitSlot::Awaiter wait_readable() = 0;
  virtual bool cancel_reader() = 0;
  // `would_block`: the rest, behind the bytes that were taken, is for `write`.
  [[nodiscard]] virtual net::IoResult try_write(base::Bytes bytes) = 0;
  [[nodiscard]] virtual net::Task<net::Transfer> write(base::Bytes bytes,
                                                       std::chrono::milliseconds timeout) = 0;
  virtual void shutdown_write() = 0;
  // Both directions end, and whoever waits learns it.
  virtual void cut() = 0;

 protected:
  TunnelPeer() = default;
};

// What they are made from must outlive them.
[[nodiscard]] std::unique_ptr<TunnelPeer> make_tunnel_peer(net::Stream& stream);
[[nodiscard]] std::unique_ptr<TunnelPeer> make_tunnel_peer(upstream::H2Channel& channel);

}  // namespace sluice::proxy
