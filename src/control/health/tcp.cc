// tcp: the target takes a connection. Nothing is sent, but for the header of the PROXY protocol
// where the group has one.
#include <utility>

#include "control/health/finding.h"
#include "control/health/makers.h"
#include "control/health/proxy_header.h"
#include "sluice/net/dial.h"

namespace sluice::control::health {

namespace {

class Tcp final : public Check {
 public:
  explicit Tcp(config::ProxyHeaderVersion proxy_protocol)
      : proxy_header_(own_proxy_header(proxy_protocol)) {}

  net::Task<Finding> probe(net::Loop& loop, Subject subject,
                           config::Milliseconds timeout) const override {
    net::Dialed dialed = co_await net::dial(loop, subject.endpoint, timeout);
    if (dialed.stream != nullptr && !send_proxy_header(*dialed.stream, proxy_header_)) {
      co_return Finding{target::StateReason::connection_failed, "broke off at once"};
    }
    co_return finding_of(dialed.error, std::move(dialed.error_text));
  }

 private:
  const std::string proxy_header_;  // sent; empty: none
};

}  // namespace

std::shared_ptr<const Check> make_tcp(const Source& source, config::Problems&) {
  return std::make_shared<Tcp>(source.group.proxy_protocol);
}

}  // namespace sluice::control::health
