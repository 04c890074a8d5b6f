// One worker's use of one snapshot: the snapshot, the worker's groups by index, and the cells to
// count in.
//
// Every exchange pins the view it began with (shared_ptr), so a reload never changes an exchange
// under way; the last of them drops it. Built when a snapshot arrives, constant afterwards. One
// thread.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/observe/metrics.h"
#include "sluice/proxy/snapshot.h"
#include "sluice/upstream/group.h"

namespace sluice::proxy {

// Of one limit of a rule's rate_limit.
struct RateLimitCells {
  observe::HeldCounter admitted;
  observe::HeldCounter refused;
  observe::HeldCounter evictions;
};

// Of a rule with the filter compress; they outlive it, for they are the listener's.
struct CompressCells {
  std::array<observe::Counter*, http::content_codings.size()> answers;  // as content_codings
  observe::Counter* skipped;
  observe::Counter* input_bytes;
  observe::Counter* output_bytes;
};

// Of a rule with the filter forward_auth.
struct ForwardAuthCells {
  observe::Counter* allowed;
  observe::Counter* denied;
  observe::Counter* failed;
  observe::Counter* failed_open;
};

// Of a rule with the filter mirror; they outlive it, for they are the group's.
struct MirrorCells {
  observe::Counter* answered;
  observe::Counter* failed;
  observe::Counter* timed_out;
  observe::Counter* cancelled;
  observe::Counter* too_large;
  observe::Counter* too_many;
  observe::Counter* incomplete;
};

// A rule and one of the groups that it forwards to.
struct RuleGroupView {
  std::array<observe::HeldCounter, 5> requests_by_class;  // 1xx..5xx; gone with the rule's name
  observe::Histogram* duration = nullptr;                 // of the listener and the group
  const config::Retry* retry = nullptr;                   // the group's, or `own_retry`; or null
  std::unique_ptr<const config::Retry> own_retry;  // the group's with what the rule overrides
};

struct RuleView {
  const route::Rule* rule = nullptr;
  // As Forward::groups; behind several, or when there is none, one more for requests without any.
  std::vector<RuleGroupView> groups;
  std::vector<RateLimitCells> rate_limits;  // in the order of the limits
  std::optional<CompressCells> compress;
  std::optional<ForwardAuthCells> forward_auth;
  std::optional<MirrorCells> mirror;
  // As upstream::SessionResult; with group stickiness only.
  std::array<observe::HeldCounter, upstream::session_results> sessions;

  // What counts until one of several groups is chosen. The only one is known from the start.
  [[nodiscard]] const RuleGroupView& undecided() const { return groups.back(); }
};

// The cells of a listener; they are found by name, so they outlive snapshots.
struct ListenerCells {
  ListenerCells(observe::Cells& cells, const std::string& listener);

  observe::Counter& request_bytes;
  observe::Counter& response_bytes;
  observe::Counter& connections_total;
  observe::Gauge& connections;
  observe::Gauge& connections_idle;
  observe::Histogram& added_latency;
  observe::Histogram& handshake_time;
};

struct ListenerView {
  ListenerView(observe::Cells& cells, const Snapshot& snapshot, const SnapshotListener& listener);

  const SnapshotListener* settings;
  ListenerCells cells;
  std::vector<RuleView> rules;  // in the order of the table's rules
};

struct View {
  View(observe::Cells& cells, std::shared_ptr<const Snapshot> snapshot,
       std::vector<std::shared_ptr<upstream::Group>> groups);

  std::shared_ptr<const Snapshot> snapshot;
  std::vector<std::shared_ptr<upstream::Group>> groups;  // as the snapshot's
  std::vector<ListenerView> listeners;                   // as the snapshot's
};

}  // namespace sluice::proxy
