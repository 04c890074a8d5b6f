#include <array>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <ctime>

#include "control/admin_calls.h"

namespace sluice::control {

AdminReply json_reply(const boost::json::value& body) {
  return {.status = 200,
          .content_type = "application/json",
          .body = boost::json::serialize(body) + "\n"};
}

std::string rfc3339(base::WallTime time) {
  const auto milliseconds =
      std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = base::Wall::to_time_t(
      base::WallTime(std::chrono::floor<std::chrono::seconds>(time.time_since_epoch())));
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                                 parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                                 parts.tm_hour, parts.tm_min, parts.tm_sec,
                                 static_cast<int>(((milliseconds % 1000) + 1000) % 1000));
  return {text.data(), static_cast<std::size_t>(size)};
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const std::string_view digits = text.substr(i + 1, 2);
    unsigned byte = 0;
    const char* const end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, byte, 16);
    if (digits.size() < 2 || parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
    decoded += static_cast<char>(byte);
    i += 2;
  }
  return decoded;
}

}  // namespace sluice::control
