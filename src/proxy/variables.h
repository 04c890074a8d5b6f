// What the variables of filters (route/value_template.h) hold for one exchange.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/proxy/exchange.h"
#include "sluice/route/value_template.h"

namespace sluice::proxy {

// Of the request as it arrived, but for fields that a filter dropped or wrote: `#{header:X-User}`
// never is the client's own word where a filter has spoken. A view: within one function.
class ExchangeVariables final : public route::Variables {
 public:
  // `status`: of the answer; 0: there is none yet.
  explicit ExchangeVariables(const Exchange& exchange, std::uint16_t status = 0)
      : exchange_(exchange), status_(status) {}

  void append(route::Variable variable, std::string_view name, std::string& out) const override;

 private:
  const Exchange& exchange_;
  std::uint16_t status_;
};

}  // namespace sluice::proxy
