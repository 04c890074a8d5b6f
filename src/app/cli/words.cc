#include "app/cli/words.h"

#include <array>

#include "sluice/base/text.h"

namespace sluice::app::cli {

std::string shown(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte <= 0x7e) {
      out += c;
    } else {
      out.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
  }
  return out;
}

std::string shown(std::chrono::milliseconds time) {
  struct Unit {
    std::int64_t milliseconds;
    char letter;
  };
  constexpr std::array units{Unit{86'400'000, 'd'}, Unit{3'600'000, 'h'}, Unit{60'000, 'm'},
                             Unit{1'000, 's'}};
  if (time.count() < 1'000) return std::to_string(time.count()) + "ms";
  std::int64_t left = time.count();
  std::string out;
  for (std::size_t i = 0; i < units.size(); ++i) {
    const std::int64_t count = left / units[i].milliseconds;
    if (count == 0) continue;
    out.append(std::to_string(count)).append(1, units[i].letter);
    left %= units[i].milliseconds;
    if (i + 1 == units.size()) break;
    const std::int64_t next = left / units[i + 1].milliseconds;
    if (next > 0) out.append(" ").append(std::to_string(next)).append(1, units[i + 1].letter);
    break;
  }
  return out;
}

std::string counted(std::uint64_t count, std::string_view thing) {
  return std::to_string(count).append(" ").append(thing).append(count == 1 ? "" : "s");
}

std::string path_segment(std::string_view text) {
  constexpr std::string_view marks = "-._~";
  std::string out;
  for (const char c : text) {
    const bool is_letter = base::lower(c) >= 'a' && base::lower(c) <= 'z';
    if (is_letter || (c >= '0' && c <= '9') || marks.find(c) != std::string_view::npos) {
      out += c;
    } else {
      base::append_percent_encoded(out, c);
    }
  }
  return out;
}

}  // namespace sluice::app::cli
