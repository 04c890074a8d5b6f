#include "control/discovery/ec2/times.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>

#include "sluice/base/text.h"

namespace sluice::control::discovery::ec2 {
namespace {

namespace chrono = std::chrono;

struct Civil {
  std::uint64_t year, month, day, hour, minute, second;
};

// Beyond, the nanoseconds of a clock overflow (in 2262), and nothing real is meant.
constexpr std::uint64_t year_max = 2200;

std::optional<base::WallTime> time_of(const Civil& civil) {
  if (civil.year < 1970 || civil.year > year_max) return std::nullopt;
  const chrono::year_month_day date(chrono::year(static_cast<int>(civil.year)),
                                    chrono::month(static_cast<unsigned>(civil.month)),
                                    chrono::day(static_cast<unsigned>(civil.day)));
  if (!date.ok() || civil.hour > 23 || civil.minute > 59 || civil.second > 60) return std::nullopt;
  return chrono::sys_days(date) + chrono::hours(civil.hour) + chrono::minutes(civil.minute) +
         chrono::seconds(civil.second);
}

// Takes `digits` digits off the front of the text; any other byte makes the result none.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  std::uint64_t number(std::size_t digits) {
    const auto value = base::parse_decimal(text_.substr(0, digits));
    if (!value || text_.size() < digits) is_good_ = false;
    text_.remove_prefix(std::min(digits, text_.size()));
    return value.value_or(0);
  }
  void expect(std::string_view literal) {
    if (!text_.starts_with(literal)) is_good_ = false;
    text_.remove_prefix(std::min(literal.size(), text_.size()));
  }
  [[nodiscard]] std::string_view rest() const { return text_; }
  void skip(std::size_t bytes) { text_.remove_prefix(std::min(bytes, text_.size())); }
  [[nodiscard]] bool is_good() const { return is_good_; }

 private:
  std::string_view text_;
  bool is_good_ = true;
};

void append_padded(std::string& out, std::uint64_t value, std::size_t digits) {
  const std::string text = std::to_string(value);
  out.append(digits - std::min(digits, text.size()), '0').append(text);
}

}  // namespace

std::string compact_time(base::WallTime time) {
  const auto seconds = chrono::floor<chrono::seconds>(time);
  const auto day = chrono::floor<chrono::days>(seconds);
  const chrono::year_month_day date(day);
  const chrono::hh_mm_ss clock(seconds - day);
  std::string text;
  append_padded(text, static_cast<std::uint64_t>(static_cast<int>(date.year())), 4);
  append_padded(text, static_cast<unsigned>(date.month()), 2);
  append_padded(text, static_cast<unsigned>(date.day()), 2);
  text += 'T';
  append_padded(text, static_cast<std::uint64_t>(clock.hours().count()), 2);
  append_padded(text, static_cast<std::uint64_t>(clock.minutes().count()), 2);
  append_padded(text, static_cast<std::uint64_t>(clock.seconds().count()), 2);
  return text += 'Z';
}

std::optional<base::WallTime> parse_timestamp(std::string_view text) {
  Reader reader(text);
  Civil civil{};
  civil.year = reader.number(4);
  reader.expect("-");
  civil.month = reader.number(2);
  reader.expect("-");
  civil.day = reader.number(2);
  reader.expect("T");
  civil.hour = reader.number(2);
  reader.expect(":");
  civil.minute = reader.number(2);
  reader.expect(":");
  civil.second = reader.number(2);
  if (reader.rest().starts_with('.')) {
    const std::size_t end = reader.rest().find_first_not_of("0123456789", 1);
    reader.skip(end == std::string_view::npos ? reader.rest().size() : end);
  }
  const bool is_utc = reader.rest() == "Z" || reader.rest() == "+00:00" || reader.rest() == "+0000";
  if (!reader.is_good() || !is_utc) return std::nullopt;
  return time_of(civil);
}

std::optional<base::WallTime> parse_http_date(std::string_view text) {
  constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  Reader reader(text);
  Civil civil{};
  reader.skip(3);  // the day of the week says nothing
  reader.expect(", ");
  civil.day = reader.number(2);
  reader.expect(" ");
  const auto month = std::ranges::find(months, reader.rest().substr(0, 3));
  civil.month = static_cast<std::uint64_t>(month - months.begin()) + 1;
  reader.skip(3);
  reader.expect(" ");
  civil.year = reader.number(4);
  reader.expect(" ");
  civil.hour = reader.number(2);
  reader.expect(":");
  civil.minute = reader.number(2);
  reader.expect(":");
  civil.second = reader.number(2);
  reader.expect(" GMT");
  if (!reader.is_good() || !reader.rest().empty() || month == months.end()) return std::nullopt;
  return time_of(civil);
}

}  // namespace sluice::control::discovery::ec2
