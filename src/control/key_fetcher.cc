#include "sluice/control/key_fetcher.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <coroutine>
#include <exception>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "control/health/schedule.h"
#include "control/http_client.h"
#include "sluice/net/deadline.h"
#include "sluice/net/json_web_key.h"
#include "sluice/observe/log.h"

namespace sluice::control {

using config::Milliseconds;
using observe::Level;
using observe::Metric;
using route::KeySource;

namespace {

constexpr Milliseconds first_retry{1'000};
constexpr Milliseconds longest_retry{60'000};
constexpr std::uint32_t doublings_max = 6;
constexpr std::uint32_t retry_jitter_percent = 25;

std::int64_t unix_seconds(base::WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::set<std::shared_ptr<KeySource>> sources_of(const proxy::Snapshot& snapshot) {
  std::set<std::shared_ptr<KeySource>> sources;
  for (const proxy::SnapshotListener& listener : snapshot.listeners) {
    for (const route::Rule& rule : listener.table.rules()) {
      const auto& jwt = rule.filters.jwt;
      if (jwt != nullptr && jwt->keys->settings().is_fetched()) sources.insert(jwt->keys);
    }
  }
  return sources;
}

}  // namespace

struct KeyFetcher::Job {
  Job(KeyFetcher& of, std::string with_name, route::KeySettings with)
      : fetcher(of),
        name(std::move(with_name)),
        settings(std::move(with)),
        timer(
            of.loop_.deadlines,
            [](void* context) {
              Job& job = *static_cast<Job*>(context);
              job.fetcher.start(job);
            },
            this) {}

  KeyFetcher& fetcher;
  const std::string name;
  const route::KeySettings settings;
  std::vector<std::shared_ptr<KeySource>> sources;
  KeySource::SharedKeys keys;  // the last good ones; null: none yet
  base::SteadyTime fetched_at{};
  std::uint32_t failures = 0;  // in a row
  bool is_running = false;
  bool said_outdated = false;
  net::Deadline timer;
  // The fetch under way; the frame of the last one stays until the next.
  std::optional<net::Task<>> task;
};

KeyFetcher::KeyFetcher(net::Loop& loop, observe::Cells& cells) : loop_(loop), cells_(cells) {}

KeyFetcher::~KeyFetcher() { stop(); }

void KeyFetcher::stop() {
  is_stopped_ = true;
  for (auto& [name, job] : jobs_) leave(*job);
  jobs_.clear();
}

// Those who hold its sources still, exchanges of a former snapshot, wait for nothing any more.
void KeyFetcher::leave(Job& job) {
  for (const auto& source : job.sources) source->fetch_by({});
}

void KeyFetcher::apply(const proxy::Snapshot& snapshot) {
  if (is_stopped_) return;
  Jobs former = std::exchange(jobs_, {});
  std::map<std::string, std::vector<std::shared_ptr<KeySource>>> wanted;
  for (const auto& source : sources_of(snapshot)) {
    wanted[source->settings().fingerprint()].push_back(source);
  }
  for (const auto& [name, sources] : wanted) {
    std::unique_ptr<Job> job;
    if (auto known = former.extract(name)) {
      job = std::move(known.mapped());
      for (const auto& source : job->sources) {
        if (std::ranges::find(sources, source) == sources.end()) source->fetch_by({});
      }
      std::erase_if(job->sources, [&, &all = sources](const auto& source) {
        return std::ranges::find(all, source) == all.end();
      });
    } else {
      job = std::make_unique<Job>(*this, name, sources.front()->settings());
      for (const auto& [other_name, other] : former) {
        const bool is_same_place =
            other->settings.url == job->settings.url &&
            other->settings.tls->fingerprint() == job->settings.tls->fingerprint();
        if (!is_same_place || other->keys == nullptr) continue;
        job->keys = other->keys;
        job->fetched_at = other->fetched_at;
      }
      job->timer.set(Milliseconds(1));
    }
    for (const auto& source : sources) {
      if (std::ranges::find(job->sources, source) == job->sources.end()) join(*job, source);
    }
    jobs_.emplace(name, std::move(job));
  }
  for (auto& [name, job] : former) {
    leave(*job);
    const bool is_shown = std::ranges::any_of(jobs_, [&url = job->settings.url](const auto& one) {
      return one.second->settings.url == url;
    });
    if (is_shown) continue;
    cells_.forget_gauge(Metric::jwks_last_success_timestamp_seconds, {job->settings.url});
    cells_.forget_gauge(Metric::jwks_keys, {job->settings.url});
  }
}

void KeyFetcher::join(Job& job, const std::shared_ptr<KeySource>& source) {
  job.sources.push_back(source);
  if (job.keys != nullptr) source->publish(job.keys, job.fetched_at);
  // The first fetch of a new job begins with the next turn: requests that come before wait for it.
  if (job.is_running || !job.task) source->fetch_began(loop_.clock.now());
  source->fetch_by(
      [this, name = job.name] { boost::asio::post(loop_.context, [this, name] { asked(name); }); });
}

void KeyFetcher::asked(const std::string& name) {
  const auto found = jobs_.find(name);
  if (found == jobs_.end() || found->second->is_running) return;
  observe::log(Level::debug, "jwks " + found->second->settings.url + ": asked for a newer key");
  found->second->timer.set(Milliseconds(1));
}

// From the wheel alone: never from inside of the coroutine that it replaces.
void KeyFetcher::start(Job& job) {
  job.is_running = true;
  for (const auto& source : job.sources) source->fetch_began(loop_.clock.now());
  job.task.emplace(run(job));
  job.task->await_suspend(std::noop_coroutine()).resume();
}

net::Task<> KeyFetcher::run(Job& job) {
  HttpAnswer answer;
  try {
    net::Task<HttpAnswer> get =
        http_get(loop_,
                 {.host = job.settings.host,
                  .port = job.settings.port,
                  .authority = job.settings.authority,
                  .path = job.settings.path,
                  .fields = {{"Accept", "application/jwk-set+json, application/json"}},
                  .tls = job.settings.tls,
                  .bytes_max = net::key_set_bytes_max},
                 job.settings.timeout);
    answer = co_await std::move(get);
  } catch (const std::exception& exception) {  // memory is short
    answer.error = observe::escaped(exception.what());
  }
  finish(job, std::move(answer.content), std::move(answer.error));
}

void KeyFetcher::finish(Job& job, std::string content, std::string error) {
  job.is_running = false;
  if (error.empty()) {
    std::optional<net::JsonWebKeySet> set = net::parse_json_web_keys(content, error);
    if (set) {
      succeeded(job, KeySource::make_keys(*std::move(set), std::move(content), job.keys));
    }
  }
  const bool is_good = error.empty();
  if (!is_good) failed(job, error);
  cells_.counter(Metric::jwks_fetches_total, {job.settings.url, is_good ? "success" : "failure"})
      .add();
  for (const auto& source : job.sources) source->fetch_ended();
}

void KeyFetcher::succeeded(Job& job, KeySource::SharedKeys keys) {
  const std::string label = "jwks " + job.settings.url + ": ";
  if (keys != job.keys) {
    observe::log(Level::info, label + std::to_string(keys->set.keys.size()) + " keys");
    for (const std::string& one : keys->set.passed_over) {
      observe::log(Level::warning, label + "passes over " + one);
    }
  } else if (job.failures > 0) {
    observe::log(Level::info, label + "answers again");
  }
  job.keys = std::move(keys);
  job.fetched_at = loop_.clock.now();
  job.failures = 0;
  job.said_outdated = false;
  for (const auto& source : job.sources) source->publish(job.keys, job.fetched_at);
  cells_.gauge(Metric::jwks_last_success_timestamp_seconds, {job.settings.url})
      .set(unix_seconds(loop_.clock.wall()));
  cells_.gauge(Metric::jwks_keys, {job.settings.url})
      .set(static_cast<std::int64_t>(job.keys->set.keys.size()));
  const Milliseconds refresh = job.settings.refresh;
  job.timer.set(refresh - health::any_part(refresh / 10, random_.next()));
}

// A second, and twice as long each time: an endpoint that is ill is not asked more often.
void KeyFetcher::failed(Job& job, const std::string& error) {
  const std::string label = "jwks " + job.settings.url + ": ";
  observe::log(job.failures == 0 ? Level::warning : Level::debug,
               label + error +
                   (job.keys == nullptr ? "; there are no keys yet"
                                        : "; the keys fetched before stay in use"));
  const auto age = loop_.clock.now() - job.fetched_at;
  if (job.keys != nullptr && age > job.settings.keep && !std::exchange(job.said_outdated, true)) {
    observe::log(Level::error, label + "the keys are older than keep, and no longer used");
  }
  const std::uint32_t doublings = std::min(job.failures++, doublings_max);
  const Milliseconds wait =
      std::min({first_retry * (1U << doublings), longest_retry, job.settings.refresh});
  job.timer.set(health::jittered(wait, retry_jitter_percent, random_.next()));
}

}  // namespace sluice::control
