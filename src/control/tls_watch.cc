#include "sluice/control/tls_watch.h"

#include <sys/stat.h>

#include <algorithm>
#include <ctime>

#include "sluice/observe/log.h"

namespace sluice::control {

using observe::Level;
using observe::Metric;
using std::chrono::steady_clock;

namespace {

// A new configuration is noticed within this, whatever the interval is.
constexpr std::chrono::milliseconds longest_wait{1000};
constexpr std::chrono::hours between_warnings{24};
constexpr std::uint32_t most_doublings = 6;

std::string day_text(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  char text[32];
  ::gmtime_r(&seconds, &parts);
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts)};
}

const config::ServerTls* tls_of(const proxy::Snapshot& snapshot, const std::string& listener) {
  const auto& all = snapshot.model.listeners;
  const auto found = std::ranges::find(all, listener, &config::Listener::name);
  return found != all.end() && found->tls.has_value() ? &*found->tls : nullptr;
}

}  // namespace

TlsWatch::TlsWatch(boost::asio::io_context& context, Configurator& configurator,
                   observe::Cells& cells)
    : configurator_(configurator), cells_(cells), timer_(context) {}

void TlsWatch::start() {
  look(steady_clock::now());
  wait();
}

void TlsWatch::stop() {
  stopped_ = true;
  timer_.cancel();
}

void TlsWatch::wait() {
  const std::chrono::milliseconds files = interval();
  timer_.expires_after(files.count() > 0 ? std::min(files, longest_wait) : longest_wait);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || stopped_) return;
    look(steady_clock::now());
    wait();
  });
}

void TlsWatch::look(steady_clock::time_point now) {
  const std::shared_ptr<const proxy::Snapshot> snapshot = configurator_.current();
  if (snapshot == nullptr) return;
  const bool is_new = snapshot->revision != revision_;
  if (is_new) {
    revision_ = snapshot->revision;
    show_expiry(*snapshot);
  }
  if (is_new || now >= next_warning_) {
    warn_of_expiry(*snapshot);
    next_warning_ = now + between_warnings;
  }
  if (interval().count() == 0 || now < next_look_) return;
  look_at_files();
  next_look_ = now + interval() * (1U << std::min(failures_, most_doublings));
}

void TlsWatch::show_expiry(const proxy::Snapshot& snapshot) {
  std::set<std::pair<std::string, std::string>> gone = std::exchange(shown_, {});
  for (const proxy::SnapshotListener& listener : snapshot.listeners) {
    if (listener.tls == nullptr) continue;
    for (const auto& certificate : listener.tls->certificates()) {
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(
          certificate.not_after.time_since_epoch());
      cells_.gauge(Metric::certificate_expiry_timestamp_seconds, {listener.name, certificate.file})
          .set(seconds.count());
      shown_.emplace(listener.name, certificate.file);
      gone.erase({listener.name, certificate.file});
    }
  }
  for (const auto& [listener, file] : gone) {
    cells_.forget_gauge(Metric::certificate_expiry_timestamp_seconds, {listener, file});
  }
}

void TlsWatch::warn_of_expiry(const proxy::Snapshot& snapshot) const {
  const auto now = std::chrono::system_clock::now();
  for (const proxy::SnapshotListener& listener : snapshot.listeners) {
    const config::ServerTls* const settings = tls_of(snapshot, listener.name);
    if (listener.tls == nullptr || settings == nullptr) continue;
    for (const auto& certificate : listener.tls->certificates()) {
      const std::string subject = "tls: listener " + listener.name + ": ";
      if (certificate.ocsp_until && *certificate.ocsp_until < now) {
        observe::log(Level::warning, subject + "the OCSP answer '" + certificate.ocsp_file +
                                         "' has expired on " + day_text(*certificate.ocsp_until) +
                                         "; it is not sent to clients");
      }
      const auto left = certificate.not_after - now;
      if (settings->expiry_warning.count() == 0 || left > settings->expiry_warning) continue;
      const auto days = std::chrono::floor<std::chrono::days>(left).count();
      observe::log(Level::warning,
                   subject + "the certificate '" + certificate.file + "' " +
                       (days < 0 ? "has expired on " : "expires on ") +
                       day_text(certificate.not_after) +
                       (days < 0 ? std::string() : ", in " + std::to_string(days) + " days"));
    }
  }
}

// The first two looks of a process load once what is in force already: what changed between reading
// a file and the first look at it is found that way.
void TlsWatch::look_at_files() {
  const Stamps now = stamps();
  if (now == settled_) return;
  if (now != std::exchange(last_, now)) return;  // somebody may be at it
  if (configurator_.is_busy()) return;
  config::Problems problems;
  switch (configurator_.look_at_tls_files(problems)) {
    case Configurator::TlsFiles::same: break;
    case Configurator::TlsFiles::broken:
      for (const config::Problem& problem : problems.sorted()) {
        if (problem.severity == config::Severity::error)
          observe::log(Level::warning, problem.text());
      }
      observe::log(Level::warning,
                   "tls: files have changed and cannot be loaded; the former ones stay in use");
      break;
    case Configurator::TlsFiles::changed:
      settled_ = now;
      configurator_.reload_tls([this](bool success) {
        failures_ = success ? 0 : failures_ + 1;
        if (!success) settled_.clear();  // tried again, later and later
      });
      return;
  }
  settled_ = now;
}

// The shortest of all listeners and target groups; those with 0 are not looked at.
std::chrono::milliseconds TlsWatch::interval() const {
  std::chrono::milliseconds shortest{0};
  if (configurator_.current() == nullptr) return shortest;
  const auto consider = [&shortest](std::chrono::milliseconds one) {
    if (one.count() != 0) shortest = shortest.count() == 0 ? one : std::min(shortest, one);
  };
  const config::Model& model = configurator_.current()->model;
  for (const config::Listener& listener : model.listeners) {
    if (listener.tls.has_value()) consider(listener.tls->watch_interval);
  }
  for (const config::TargetGroup& group : model.target_groups) {
    if (group.https && group.tls.is_watched()) consider(group.tls.watch_interval);
  }
  return shortest;
}

TlsWatch::Stamp TlsWatch::stamp_of(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {status.st_size,
          static_cast<std::int64_t>(status.st_dev),
          static_cast<std::int64_t>(status.st_ino),
          status.st_mtim.tv_sec,
          status.st_mtim.tv_nsec,
          status.st_ctim.tv_sec,
          status.st_ctim.tv_nsec};
}

TlsWatch::Stamps TlsWatch::stamps() const {
  Stamps all;
  const auto add = [&all](const std::string& path) {
    if (!path.empty()) all.emplace(path, stamp_of(path));
  };
  const auto add_pair = [&add](const config::CertificateFiles& files) {
    add(files.certificate);
    add(files.key);
    add(files.ocsp);
  };
  const config::Model& model = configurator_.current()->model;
  for (const config::Listener& listener : model.listeners) {
    if (!listener.tls.has_value() || listener.tls->watch_interval.count() == 0) continue;
    std::ranges::for_each(listener.tls->certificates, add_pair);
    add(listener.tls->ticket_keys_file);
    add(listener.tls->client_certificates.trust_store);
    std::ranges::for_each(listener.tls->client_certificates.crls, add);
  }
  for (const config::TargetGroup& group : model.target_groups) {
    if (!group.https || !group.tls.is_watched()) continue;
    add(group.tls.ca);
    if (group.tls.certificate.has_value()) add_pair(*group.tls.certificate);
  }
  return all;
}

}  // namespace sluice::control
