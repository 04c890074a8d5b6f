// Values in the answers of a running instance, or of whoever listens in its place: they may be
// anything. Pointers are those of RFC 6901, such as "/config/revision".
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::app::cli {

// Null when it is absent.
[[nodiscard]] const boost::json::value* find(const boost::json::value& value,
                                             std::string_view pointer);
// "" when it is absent or no string; as `shown` makes it.
[[nodiscard]] std::string text_at(const boost::json::value& value, std::string_view pointer);
// Up to one digit behind the point, or "-".
[[nodiscard]] std::string number_at(const boost::json::value& value, std::string_view pointer);
// 0 when it is absent, negative or no integer.
[[nodiscard]] std::uint64_t count_at(const boost::json::value& value, std::string_view pointer);
[[nodiscard]] bool is_true_at(const boost::json::value& value, std::string_view pointer);
// Empty when it is absent or no array.
[[nodiscard]] const boost::json::array& list_at(const boost::json::value& value,
                                                std::string_view pointer);

// A string in JSON, with its quotes.
[[nodiscard]] std::string json_text(std::string_view text);

}  // namespace sluice::app::cli
