#include "sluice/proxy/view.h"

#include <utility>
#include <variant>

namespace sluice::proxy {

using observe::Metric;

ListenerCells::ListenerCells(observe::Cells& all, const std::string& listener)
    : request_bytes(all.counter(Metric::request_bytes_total, {listener})),
      response_bytes(all.counter(Metric::response_bytes_total, {listener})),
      connections_total(all.counter(Metric::client_connections_total, {listener})),
      connections(all.gauge(Metric::client_connections, {listener})),
      connections_idle(all.gauge(Metric::client_connections_idle, {listener})),
      added_latency(all.histogram(Metric::added_latency_seconds, {listener})),
      handshake_time(all.histogram(Metric::tls_handshake_seconds, {listener})) {}

namespace {

RuleGroupView view_of(observe::Cells& cells, const std::string& listener, const route::Rule& rule,
                      std::string_view group) {
  RuleGroupView view;
  constexpr std::array<std::string_view, 5> classes{"1xx", "2xx", "3xx", "4xx", "5xx"};
  for (std::size_t i = 0; i < classes.size(); ++i) {
    view.requests_by_class[i] =
        cells.hold_counter(Metric::requests_total, {listener, rule.name, group, classes[i]});
  }
  view.duration = &cells.histogram(Metric::request_duration_seconds, {listener, group});
  return view;
}

void add_rate_limits(observe::Cells& cells, const std::string& listener, const route::Rule& rule,
                     RuleView& view) {
  if (rule.filters.rate_limit == nullptr) return;
  for (const route::RateLimit& limit : rule.filters.rate_limit->limits) {
    const auto counter = [&](std::string_view result) {
      return cells.hold_counter(Metric::rate_limit_requests_total,
                                {listener, rule.name, limit.name, result});
    };
    view.rate_limits.push_back({counter("admitted"), counter("refused"),
                                cells.hold_counter(Metric::rate_limit_evictions_total,
                                                   {listener, rule.name, limit.name})});
  }
}

CompressCells compress_cells(observe::Cells& cells, const std::string& listener) {
  const auto answers = [&](std::string_view coding) {
    return &cells.counter(Metric::compressed_answers_total, {listener, coding});
  };
  CompressCells made{
      .answers = {},
      .skipped = answers("skipped"),
      .input_bytes = &cells.counter(Metric::compression_input_bytes_total, {listener}),
      .output_bytes = &cells.counter(Metric::compression_output_bytes_total, {listener})};
  for (const http::ContentCoding coding : http::content_codings) {
    made.answers[static_cast<std::size_t>(coding)] = answers(http::name_of(coding));
  }
  return made;
}

ForwardAuthCells forward_auth_cells(observe::Cells& cells, const std::string& group) {
  const auto requests = [&](std::string_view result) {
    return &cells.counter(Metric::forward_auth_requests_total, {group, result});
  };
  return {.allowed = requests("allowed"),
          .denied = requests("denied"),
          .failed = requests("failed"),
          .failed_open = requests("failed_open")};
}

MirrorCells mirror_cells(observe::Cells& cells, const std::string& group) {
  const auto copies = [&](std::string_view result) {
    return &cells.counter(Metric::mirrored_requests_total, {group, result});
  };
  return {.answered = copies("answered"),
          .failed = copies("failed"),
          .timed_out = copies("timed_out"),
          .cancelled = copies("cancelled"),
          .too_large = copies("too_large"),
          .too_many = copies("too_many"),
          .incomplete = copies("incomplete")};
}

RuleView view_of(observe::Cells& cells, const Snapshot& snapshot, const std::string& listener,
                 const route::Rule& rule) {
  RuleView view;
  view.rule = &rule;
  add_rate_limits(cells, listener, rule, view);
  if (rule.filters.forward_auth != nullptr) {
    view.forward_auth = forward_auth_cells(cells, rule.filters.forward_auth->group_name);
  }
  if (rule.filters.mirror != nullptr) {
    view.mirror = mirror_cells(cells, rule.filters.mirror->group_name);
  }
  if (rule.filters.compress != nullptr) view.compress = compress_cells(cells, listener);
  const auto* forward =
      rule.action.has_value() ? std::get_if<route::Forward>(&*rule.action) : nullptr;
  if (forward != nullptr) {
    for (const route::Forward::To& to : forward->groups) {
      RuleGroupView& group = view.groups.emplace_back(view_of(cells, listener, rule, to.name));
      group.retry = &snapshot.groups[to.group]->retry;
      if (!rule.retry.is_any()) continue;
      group.own_retry = std::make_unique<const config::Retry>(rule.retry.over(*group.retry));
      group.retry = group.own_retry.get();
    }
  }
  if (view.groups.size() != 1) view.groups.push_back(view_of(cells, listener, rule, "-"));
  if (forward != nullptr && forward->stickiness.has_value()) {
    for (std::size_t i = 0; i < view.sessions.size(); ++i) {
      view.sessions[i] = cells.hold_counter(Metric::rule_sticky_requests_total,
                                            {listener, rule.name, upstream::session_texts[i]});
    }
  }
  return view;
}

}  // namespace

ListenerView::ListenerView(observe::Cells& all, const Snapshot& snapshot,
                           const SnapshotListener& listener)
    : settings(&listener), cells(all, listener.name) {
  for (const route::Rule& rule : listener.table.rules()) {
    rules.push_back(view_of(all, snapshot, listener.name, rule));
  }
}

View::View(observe::Cells& cells, std::shared_ptr<const Snapshot> of,
           std::vector<std::shared_ptr<upstream::Group>> with)
    : snapshot(std::move(of)), groups(std::move(with)) {
  for (const SnapshotListener& listener : snapshot->listeners) {
    listeners.emplace_back(cells, *snapshot, listener);
  }
}

}  // namespace sluice::proxy
