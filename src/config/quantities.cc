#include "config/quantities.h"

#include <algorithm>
#include <limits>
#include <span>

#include "sluice/base/text.h"

namespace sluice::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// Largest first, so that text is written in the largest unit that divides the value.
constexpr Unit duration_units[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};
constexpr Unit size_units[] = {
    {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"", 1}};

// Every quantity stays below this, so that it fits into milliseconds' signed type as well.
constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();

std::optional<std::uint64_t> parse_digits(std::string_view digits) {
  if (digits.empty()) return std::nullopt;
  const auto value = base::parse_decimal(digits);
  return value && *value <= largest ? *value : largest;
}

std::optional<std::uint64_t> parse(std::string_view text, std::span<const Unit> units) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto digits = parse_digits(text.substr(0, end));
  if (!digits) return std::nullopt;
  for (const Unit& unit : units) {
    if (text.substr(end) != unit.name) continue;
    return *digits > largest / unit.factor ? largest : *digits * unit.factor;
  }
  return std::nullopt;
}

std::string write(std::uint64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (value == 0 || value % unit.factor != 0) continue;
    return std::to_string(value / unit.factor) + std::string(unit.name);
  }
  return "0";
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (text == "0") return std::chrono::milliseconds(0);
  const auto value = parse(text, duration_units);
  if (!value) return std::nullopt;
  return std::chrono::milliseconds(*value);
}

std::string duration_text(std::chrono::milliseconds duration) {
  return write(static_cast<std::uint64_t>(duration.count()), duration_units);
}

std::optional<std::uint64_t> parse_size(std::string_view text) { return parse(text, size_units); }

std::string size_text(std::uint64_t bytes) { return write(bytes, size_units); }

}  // namespace sluice::config
