// error_pages: what clients are shown instead of our own short texts, and of a target's errors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::route {

struct ErrorPages {
  struct Page {
    std::vector<std::uint16_t> statuses;  // 400..599
    std::vector<std::uint8_t> classes;    // 4, 5
    std::optional<std::uint16_t> status;  // told instead; one that may have a body
    std::string content_type;
    std::string body;
  };

  std::vector<Page> pages;
  bool intercept = false;  // targets' answers, too

  static constexpr std::size_t body_bytes_max = 256 * 1024;

  // The first that names the status itself, else the first that names its class; null: none. Lives
  // as long as this.
  [[nodiscard]] const Page* find(std::uint16_t status) const;
};

}  // namespace sluice::route
