// An upgraded connection: WebSocket frames passed on both ways, with back-pressure and without any
// buffer while nothing flows.
//
// It belongs to the exchange that asked for it, counts as one of its target's requests, and lives
// through reloads, whose settings it follows. When its target, group, rule or listener goes, or
// Sluice stops, both sides get a close frame at a time spread over the group's
// `websocket.close_window`, and the connection is cut when they do not end it themselves. A
// configuration that has them again in time calls that off. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "proxy/tunnel_peer.h"
#include "sluice/http/websocket.h"
#include "sluice/net/task.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

// One direction.
struct TunnelHalf {
  TunnelPeer& from;
  TunnelPeer& to;
  http::WebSocketRole our_role;  // towards `to`
  http::WebSocketScanner frames{};
  net::Buffer buffer{};            // memory only while bytes are in flight
  std::uint64_t bytes = 0;         // passed on
  base::SteadyTime heard_at{};     // the last bytes of `from`
  http::ControlFrame own_frame{};  // on its way
  bool has_our_close = false;      // nothing may follow it; what still comes is read and dropped
  bool has_senders_close = false;  // read whole, and passed on unless ours went before
  bool is_ping_due = false;
  bool is_refused = false;  // `to` takes nothing any more: what still comes is dropped
  bool has_ended = false;
};

class Tunnel {
 public:
  explicit Tunnel(Exchange& exchange);
  ~Tunnel();
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;

  // To the end of both directions; begins with the bytes that came behind the two heads.
  [[nodiscard]] net::Task<> run(net::Buffer from_client, net::Buffer from_target);
  // After it: none for an end in order.
  [[nodiscard]] observe::Reason reason() const;

  // Follows the configuration in force. Its target, rule or listener may have gone, or the worker
  // drains: then its close is scheduled. After each reload, and when a drain begins. Never ends it.
  void reconsider();

 private:
  friend class Worker;
  // From our close frames to the cut, and from one side's end to the other's.
  static constexpr std::chrono::milliseconds close_grace{5000};

  enum class End : std::uint8_t { none, client, target, idle, lifetime, drained };

  static net::Task<> pass_to_target(Tunnel& tunnel);
  [[nodiscard]] net::Task<> pass(TunnelHalf& half);
  [[nodiscard]] net::Task<> write(TunnelHalf& half, base::Bytes bytes);
  [[nodiscard]] net::Task<> send_own_frame(TunnelHalf& half);
  [[nodiscard]] bool has_own_frame(const TunnelHalf& half) const;
  [[nodiscard]] base::Bytes scan(TunnelHalf& half) const;
  void passed(TunnelHalf& half, base::Bytes bytes);
  [[nodiscard]] bool read_some(TunnelHalf& half);
  [[nodiscard]] static bool takes_bytes(const TunnelHalf& half);
  void write_ended(TunnelHalf& half, net::Transfer transfer);
  void read_ended(TunnelHalf& half, net::IoStatus status);
  [[nodiscard]] TunnelHalf& other(const TunnelHalf& half);
  [[nodiscard]] bool is_done(const TunnelHalf& half);
  void wake_if_done(TunnelHalf& half);

  [[nodiscard]] const config::WebSocket& settings() const;
  void begin_times();
  void idle_time_passed();
  void ping_time_passed();
  void lifetime_passed();
  void closing_time_passed();
  [[nodiscard]] const RuleView* rule_in_force() const;
  void follow(const RuleView& rule);
  void close_in(std::chrono::milliseconds after, std::uint16_t code);
  void begin_close(End why, std::uint16_t code);
  void wake_readers();
  void end_now(End why);
  void cut();

  Exchange& exchange_;
  const std::unique_ptr<TunnelPeer> client_;
  const std::unique_ptr<TunnelPeer> target_;
  TunnelHalf to_target_;
  TunnelHalf to_client_;
  net::Deadline idle_;
  net::Deadline ping_;
  net::Deadline lifetime_;
  net::Deadline closing_;  // first until the close frames, then until the cut
  net::WaitSlot to_target_ended_;
  base::SteadyTime began_at_;
  bool* is_gone_ = nullptr;  // while somebody has to know
  std::size_t index_ = 0;    // in the worker's list
  End end_ = End::none;
  std::uint16_t close_code_ = 0;
  bool is_closing_ = false;    // close frames are on their way
  bool is_scheduled_ = false;  // they will be
};

// After a head that accepts what was asked for: sends it on, and is over when both directions are.
[[nodiscard]] net::Task<After> run_tunnel(Exchange& exchange);

}  // namespace sluice::proxy
