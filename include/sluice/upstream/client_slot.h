// Room for the client of one try, whichever protocol the target speaks; no allocation of its own.
#pragma once

#include <utility>
#include <variant>

#include "sluice/upstream/h1_client.h"
#include "sluice/upstream/h2_client.h"
#include "sluice/upstream/target_client.h"

namespace sluice::upstream {

class ClientSlot {
 public:
  ClientSlot() = default;
  ClientSlot(ClientSlot&& other) noexcept { *this = std::move(other); }
  ClientSlot& operator=(ClientSlot&& other) noexcept {
    reset();
    if (auto* const h1 = std::get_if<H1Client>(&other.client_)) emplace<H1Client>(std::move(*h1));
    if (auto* const h2 = std::get_if<H2Client>(&other.client_)) emplace<H2Client>(std::move(*h2));
    other.reset();
    return *this;
  }

  template <typename Client, typename... Arguments>
  void emplace(Arguments&&... arguments) {
    current_ = &client_.emplace<Client>(std::forward<Arguments>(arguments)...);
  }
  void reset() {
    current_ = nullptr;
    client_.emplace<std::monostate>();
  }
  [[nodiscard]] bool has_value() const { return current_ != nullptr; }
  [[nodiscard]] TargetClient& operator*() const { return *current_; }
  [[nodiscard]] TargetClient* operator->() const { return current_; }

 private:
  std::variant<std::monostate, H1Client, H2Client> client_;
  TargetClient* current_ = nullptr;
};

}  // namespace sluice::upstream
