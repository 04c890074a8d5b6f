// Texts and a number for each: a hash table that is filled once and asked by all workers.
//
// Its keys are the configuration's, so no request can make it slow.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "route/glob.h"

namespace sluice::route {

inline constexpr std::uint32_t nowhere = 0xffff'ffff;

class TextTable {
 public:
  TextTable() = default;
  // No text twice; in lower case with Case::ignored.
  TextTable(const std::vector<std::pair<std::string, std::uint32_t>>& entries, Case letters);

  [[nodiscard]] bool is_empty() const { return slots_.empty(); }
  // Its number, or `nowhere`. No allocation.
  [[nodiscard]] std::uint32_t find(std::string_view text) const;

 private:
  struct Slot {
    std::uint32_t number = nowhere;  // nowhere: free
    std::uint32_t begin = 0;         // in `texts_`
    std::uint32_t size = 0;
    std::uint32_t hash = 0;
  };
  std::vector<Slot> slots_;  // a power of two, at most half of them taken
  std::string texts_;
  std::size_t longest_ = 0;
  Case letters_ = Case::counts;
};

}  // namespace sluice::route
