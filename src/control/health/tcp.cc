// tcp: the target takes a connection. Nothing is sent.
#include <utility>

#include "control/health/finding.h"
#include "control/health/makers.h"
#include "sluice/net/dial.h"

namespace sluice::control::health {

namespace {

class Tcp final : public Check {
 public:
  net::Task<Finding> probe(net::Loop& loop, Subject subject,
                           config::Milliseconds timeout) const override {
    net::Dialed dialed = co_await net::dial(loop, subject.endpoint, timeout);
    co_return finding_of(dialed.error, std::move(dialed.error_text));
  }
};

}  // namespace

std::shared_ptr<const Check> make_tcp(const Source&, config::Problems&) {
  return std::make_shared<Tcp>();
}

}  // namespace sluice::control::health
