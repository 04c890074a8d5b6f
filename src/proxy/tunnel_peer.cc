#include "proxy/tunnel_peer.h"

#include <sys/socket.h>

#include <array>

#include "sluice/upstream/h2_channel.h"

namespace sluice::proxy {

using net::IoStatus;
using net::Transfer;

namespace {

class StreamPeer final : public TunnelPeer {
 public:
  explicit StreamPeer(net::Stream& stream) : stream_(stream) {}

  [[nodiscard]] IoStatus try_read_into(net::Buffer& buffer) override {
    return net::try_read_into(stream_, buffer, net::BufferPool::smallest);
  }
  [[nodiscard]] net::WaitSlot::Awaiter wait_readable() override { return stream_.wait_readable(); }
  bool cancel_reader() override { return stream_.cancel_reader(); }
  [[nodiscard]] net::IoResult try_write(base::Bytes bytes) override {
    const std::array<base::Bytes, 1> pieces{bytes};
    return stream_.try_write(pieces);
  }
  [[nodiscard]] net::Task<Transfer> write(base::Bytes bytes,
                                          std::chrono::milliseconds timeout) override {
    net::Writer writer(stream_, timeout);
    Transfer sent = writer.start({bytes});
    if (writer.is_unfinished()) sent = co_await writer.finish();
    co_return sent;
  }
  void shutdown_write() override { stream_.shutdown_write(); }
  // Both coroutines find the socket shut and end by themselves.
  void cut() override { ::shutdown(stream_.fd(), SHUT_RDWR); }

 private:
  net::Stream& stream_;
};

class ChannelPeer final : public TunnelPeer {
 public:
  explicit ChannelPeer(upstream::H2Channel& channel) : channel_(channel) { channel.begin_tunnel(); }

  [[nodiscard]] IoStatus try_read_into(net::Buffer& buffer) override {
    if (channel_.held_bytes() > 0) {
      if (!buffer.has_memory()) buffer = channel_.loop().buffers.borrow(net::BufferPool::smallest);
      buffer.commit(channel_.read(buffer.free_space()));
      return IoStatus::ok;
    }
    if (channel_.has_peer_ended()) return IoStatus::closed;
    return channel_.is_closed() || channel_.has_failed() ? IoStatus::failed : IoStatus::would_block;
  }
  [[nodiscard]] net::WaitSlot::Awaiter wait_readable() override { return channel_.wait_readable(); }
  bool cancel_reader() override { return channel_.cancel_reader(); }
  [[nodiscard]] net::IoResult try_write(base::Bytes bytes) override {
    const Transfer sent = start(bytes);
    if (sent != Transfer::ok) return {IoStatus::failed, 0};
    // What the session has not taken is waited for, not written again.
    if (channel_.is_unfinished()) return {IoStatus::would_block, 0};
    return {IoStatus::ok, bytes.size()};
  }
  [[nodiscard]] net::Task<Transfer> write(base::Bytes bytes,
                                          std::chrono::milliseconds timeout) override {
    channel_.set_write_timeout(timeout);
    Transfer sent = Transfer::ok;
    if (!channel_.is_unfinished()) sent = start(bytes);
    if (channel_.is_unfinished()) sent = co_await channel_.finish();
    co_return sent;
  }
  void shutdown_write() override {
    if (channel_.is_closed() || channel_.was_sent_whole() || channel_.is_unfinished()) return;
    channel_.add({}, true, {});
    (void)channel_.start();
  }
  void cut() override { channel_.reset(http::H2Error::cancel); }

 private:
  Transfer start(base::Bytes bytes) {
    upstream::Runs runs;
    runs.add(bytes);
    channel_.add(runs, false, {});
    return channel_.start();
  }

  upstream::H2Channel& channel_;
};

}  // namespace

std::unique_ptr<TunnelPeer> make_tunnel_peer(net::Stream& stream) {
  return std::make_unique<StreamPeer>(stream);
}

std::unique_ptr<TunnelPeer> make_tunnel_peer(upstream::H2Channel& channel) {
  return std::make_unique<ChannelPeer>(channel);
}

}  // namespace sluice::proxy
