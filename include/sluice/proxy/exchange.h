// One request and its answer: what is known of it, and the story of its life.
//
// `run` is the story in one function; forward.h moves the bytes, headers.h writes the heads,
// reply.h makes our own answers. An Exchange is recycled by its worker; it pins the view it began
// with. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/http/h1_parser.h"
#include "sluice/http/message.h"
#include "sluice/observe/reason.h"
#include "sluice/proxy/client_side.h"
#include "sluice/proxy/connection.h"
#include "sluice/proxy/h1_server.h"
#include "sluice/proxy/view.h"
#include "sluice/upstream/client_slot.h"
#include "sluice/upstream/group.h"

namespace sluice::proxy {

// The timeouts that hold for this exchange: the rule's, else the group's, else the global ones.
struct EffectiveTimeouts {
  config::Milliseconds connect;
  config::Milliseconds response_header;
  config::Milliseconds target_idle;
  config::Milliseconds per_try;
  config::Milliseconds total;
};

// What an upgrade asks for; others than to WebSocket are not passed on, as if they had not been
// asked for (RFC 9110 7.8).
enum class Upgrade : std::uint8_t { none, websocket };

inline constexpr std::size_t websocket_key_bytes = 24;

struct Hedge;
struct Amendments;

// The content of a request body as far as it was sent to a target, kept for another try; up to the
// group's `retry.body_buffer`.
struct ReplayBody {
  std::vector<net::Buffer> pieces;
  std::uint64_t bytes = 0;
  bool is_kept = false;  // all content consumed so far is in `pieces`
  bool is_used = false;  // the next try begins with it
};

struct Exchange {
  static constexpr std::size_t tries_max = 16;

  Exchange();
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Over HTTP/1: with a client's side of its own.
  H1Server& begin(Connection& of, base::SteadyTime first_byte);
  // Over HTTP/2: `side` outlives the exchange.
  void begin(Connection& of, ClientSide& side, base::SteadyTime first_byte);
  void clear();  // before it is recycled; keeps allocations

  [[nodiscard]] const config::Model& model() const { return view->snapshot->model; }
  [[nodiscard]] Worker& worker() const { return connection->worker(); }
  [[nodiscard]] std::string_view scheme() const { return connection->is_tls() ? "https" : "http"; }

  // When the group is known: its own, with what the rule overrides.
  [[nodiscard]] const config::Retry& retry() const { return *rule_group->retry; }

  [[nodiscard]] upstream::Body& request_body() const { return client_side->body(); }

  // --- fixed when it begins
  Connection* connection = nullptr;
  ClientSide* client_side = nullptr;
  std::shared_ptr<const View> view;
  const ListenerView* listener = nullptr;

  // --- the request
  http::RequestHead request;  // views into what the client's side keeps until the end
  std::size_t request_head_bytes = 0;
  bool ends_connections = false;    // ambiguous: the client's and the target's, over HTTP/1
  bool request_understood = false;  // false: the head was refused
  base::IpAddress client;           // the peer, or whom a trusted proxy named
  bool peer_is_trusted = false;
  const RuleView* rule = nullptr;
  const RuleGroupView* rule_group = nullptr;                // of `rule`, for the group
  upstream::Group* group = nullptr;                         // in `view`
  EffectiveTimeouts timeouts{};                             // set when the group is known
  const upstream::GroupSettings* group_settings = nullptr;  // as they were when it began
  bool body_begun = false;                                  // `request_body` may be asked for
  std::uint64_t body_limit = 0;                             // 0: unlimited
  std::unique_ptr<Amendments> amendments;  // of the rule's filters; null: it has none
  Upgrade upgrade = Upgrade::none;
  std::array<char, 32> request_id_storage{};
  std::string_view request_id;

  // --- the request body on its way, when it did not come with the head
  enum class Pump : std::uint8_t { unused, running, finished };
  Pump pump = Pump::unused;
  bool request_sent_whole = false;
  bool stop_pump = false;
  observe::Reason pump_failure = observe::Reason::none;  // ends the exchange
  bool continue_sent = false;                            // 100, once for all tries

  // --- the target of the current try
  upstream::Reservation reservation;
  std::shared_ptr<upstream::Pool> pool;
  upstream::ClientSlot target;
  http::ResponseHead answer;  // views into the target's buffer
  std::uint16_t target_status = 0;
  std::uint8_t tries = 0;  // requests sent
  bool reused_connection = false;
  bool is_probe = false;  // of a target that is only tried out; its outcome has to be reported

  // --- what may end a try, or the exchange, from elsewhere; see interrupt.h
  bool client_left = false;  // noticed while waiting for the target
  bool total_expired = false;
  bool try_expired = false;
  bool deregistered = false;  // the target's deregistration delay is over

  // --- the answer to the client
  net::Buffer head_buffer;           // the head being written, to the target, then to the client
  bool informational_sent = false;   // a 1xx of the target has left
  bool answer_begun = false;         // its head, or a part, has left
  bool answer_in_one_write = false;  // head and body, with nothing left to wait for
  bool keep_connection = false;
  std::uint16_t status = 0;
  observe::Reason reason = observe::Reason::none;
  std::uint64_t received_bytes = 0;  // from the client
  std::uint64_t sent_bytes = 0;      // to the client

  // --- times; zero: did not happen
  base::SteadyTime first_byte_at{};
  base::SteadyTime head_complete_at{};
  base::SteadyTime connect_began_at{};
  base::SteadyTime connected_at{};
  base::SteadyTime request_sent_at{};
  base::SteadyTime answer_head_at{};
  base::SteadyTime answer_sent_at{};  // its head handed to the kernel
  base::WallTime wall{};

  // --- what most exchanges do without: behind the rest, for with many at a time each line of
  // memory that is touched comes from afar
  std::unique_ptr<Hedge> hedge;
  std::size_t tried_count = 0;
  std::array<const target::Target*, tries_max> tried{};  // to compare with, never to look into
  std::optional<net::Deadline> total_deadline;
  std::optional<net::Deadline> try_deadline;
  upstream::Place* place = nullptr;  // while it waits for a target with room
  net::Dialing dialing;
  ReplayBody replay;  // of the request body, what another try would have to send again
  net::WaitSlot pump_ended;
  std::string client_text;   // of `client`; empty: the peer's own text
  std::string cookie_lines;  // Set-Cookie fields of ours for the answer, whole lines; empty: none
  std::array<char, websocket_key_bytes> websocket_key{};  // of ours, behind an extended CONNECT
  std::unique_ptr<char[]> kept_head;                      // of a tunnel: what `request` points into
  std::optional<H1Server> h1_server;                      // over HTTP/1: the `client_side`
};

// The life of a request whose head has been read (or refused: `defect`).
[[nodiscard]] net::Task<After> run(Exchange& exchange, observe::Reason defect);

// What each exchange touches: with many at a time it is out of the cache when its turn comes.
[[nodiscard]] inline base::Bytes often_used(const Exchange& exchange) {
  const auto* const begin = reinterpret_cast<const char*>(&exchange);
  return {begin, reinterpret_cast<const char*>(&exchange.hedge)};
}

// To be called where an exchange ends for another reason than the target's own answer.
void set_end(Exchange& exchange, observe::Reason reason);

// Between two peers that are faster than we are, a body never waits: about each 128 KiB it lets the
// others have their turn, and the deadlines theirs. With 1 MiB a hundred downloads at full speed
// kept small requests waiting for twice as long (bench/h2-downloads, 2026-11-21).
inline constexpr std::uint32_t writes_per_turn = 4;

[[nodiscard]] EffectiveTimeouts effective_timeouts(const Exchange& exchange);

}  // namespace sluice::proxy
