#include "app/cli/values.h"

#include <array>
#include <boost/json/serialize.hpp>
#include <cstdio>

#include "app/cli/words.h"

namespace sluice::app::cli {

namespace json = boost::json;

const json::value* find(const json::value& value, std::string_view pointer) {
  boost::system::error_code error;
  return value.find_pointer(json::string_view(pointer.data(), pointer.size()), error);
}

std::string text_at(const json::value& value, std::string_view pointer) {
  const json::value* const found = find(value, pointer);
  if (found == nullptr || !found->is_string()) return {};
  const json::string& text = found->get_string();
  return shown(std::string_view(text.data(), text.size()));
}

std::string number_at(const json::value& value, std::string_view pointer) {
  const json::value* const found = find(value, pointer);
  if (found == nullptr || !found->is_number()) return "-";
  if (found->is_int64()) return std::to_string(found->get_int64());
  if (found->is_uint64()) return std::to_string(found->get_uint64());
  std::array<char, 32> text{};
  const double number = found->get_double();
  constexpr double exponent_from = 1e15;
  const bool is_large = number >= exponent_from || number <= -exponent_from;
  const int size = std::snprintf(text.data(), text.size(), is_large ? "%.3g" : "%.1f", number);
  return {text.data(), static_cast<std::size_t>(size)};
}

std::uint64_t count_at(const json::value& value, std::string_view pointer) {
  const json::value* const found = find(value, pointer);
  if (found == nullptr) return 0;
  if (found->is_uint64()) return found->get_uint64();
  if (!found->is_int64() || found->get_int64() < 0) return 0;
  return static_cast<std::uint64_t>(found->get_int64());
}

bool is_true_at(const json::value& value, std::string_view pointer) {
  const json::value* const found = find(value, pointer);
  return found != nullptr && found->is_bool() && found->get_bool();
}

const json::array& list_at(const json::value& value, std::string_view pointer) {
  static const json::array empty;
  const json::value* const found = find(value, pointer);
  return found != nullptr && found->is_array() ? found->get_array() : empty;
}

std::string json_text(std::string_view text) {
  return json::serialize(json::string_view(text.data(), text.size()));
}

}  // namespace sluice::app::cli
