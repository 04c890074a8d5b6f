// `sluice demo`: targets to balance over, a certificate, and a configuration that ties them
// together, so that somebody who has installed nothing else can try the program.
//
// The targets are ordinary HTTP servers on loopback ports, in this process but on a thread of their
// own: the data path reaches them by their addresses as it would reach any other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sluice::app {

// Two targets in each of the groups `api`, `admin` and `frontend`, on 127.0.0.1. Every one answers
// JSON that shows the request as it arrived (`frontend`: a small page), and
//   /slow?ms=500             waits first, at most 10 s
//   /bytes?n=1000            streams so many bytes, at most 1 GiB
//   POST /fail/on, /fail/off on `api`: from now on /fail answers 500, or 200, on all targets of the
//                            group or on the one that ?target=1 names
//   /ws                      on `frontend`: a WebSocket that echoes
// all also below a prefix, as in /api/slow?ms=500, for Sluice forwards paths unchanged.
class DemoTargets {
 public:
  static constexpr std::size_t per_group = 2;

  // Binds and starts the thread; throws std::runtime_error when no port can be had.
  DemoTargets();
  ~DemoTargets();  // stops
  DemoTargets(const DemoTargets&) = delete;
  DemoTargets& operator=(const DemoTargets&) = delete;

  // `index` from 0 to per_group - 1. 0 for an unknown group or index.
  [[nodiscard]] std::uint16_t port(std::string_view group, std::size_t index) const;
  // Closes every connection and joins the thread; again is harmless.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A self-signed certificate and its key in a temporary directory (mode 0700) that goes with it.
class DemoCertificate {
 public:
  DemoCertificate();  // throws std::runtime_error when the directory or a file cannot be written
  ~DemoCertificate();
  DemoCertificate(const DemoCertificate&) = delete;
  DemoCertificate& operator=(const DemoCertificate&) = delete;

  [[nodiscard]] const std::string& certificate_file() const { return certificate_file_; }
  [[nodiscard]] const std::string& key_file() const { return key_file_; }

 private:
  std::string directory_;
  std::string certificate_file_;
  std::string key_file_;
};

// The configuration as YAML: 127.0.0.1:8080 (HTTP), :8443 (HTTPS) and :9901 (admin), no access log.
// The environment changes it: ports by SLUICE_DEMO_HTTP_PORT, SLUICE_DEMO_HTTPS_PORT and
// SLUICE_DEMO_ADMIN_PORT (0: any free one), the address of the two former by SLUICE_DEMO_ADDRESS
// (0.0.0.0 in a container), a file or `stdout` by SLUICE_DEMO_ACCESS_LOG. What makes no sense there
// is passed on, for the loader to refuse with its usual message.
[[nodiscard]] std::string demo_configuration(const DemoTargets& targets,
                                             const DemoCertificate& certificate);

// What to try, as commands that work as printed with those ports. Many lines, the last one ended.
[[nodiscard]] std::string demo_banner();

}  // namespace sluice::app
