// One of the connections that a target has, over all workers, from its dial to its end.
#pragma once

#include <cstdint>
#include <memory>

#include "sluice/target/target.h"

namespace sluice::upstream {

class ConnectionCount {
 public:
  // `max`: of the target, 0: unlimited. Not `is_counted` when that many are open.
  ConnectionCount(std::shared_ptr<target::Target> target, std::uint32_t max);
  ~ConnectionCount();
  ConnectionCount(ConnectionCount&&) noexcept = default;
  ConnectionCount& operator=(ConnectionCount&&) = delete;
  [[nodiscard]] bool is_counted() const { return target_ != nullptr; }

 private:
  std::shared_ptr<target::Target> target_;
};

}  // namespace sluice::upstream
