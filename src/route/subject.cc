#include "route/subject.h"

namespace sluice::route {
namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char letter = base::lower(c);
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

// `%` without two digits behind it stands for itself.
std::string_view decode(std::string_view raw, std::string& storage) {
  if (raw.find('%') == std::string_view::npos) return raw;
  storage.clear();
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const int high = raw[i] == '%' && i + 2 < raw.size() ? digit(raw[i + 1]) : -1;
    const int low = high >= 0 ? digit(raw[i + 2]) : -1;
    if (low >= 0) {
      storage += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      storage += raw[i];
    }
  }
  return storage;
}

}  // namespace

std::optional<Parameter> Parameters::next() {
  if (!has_more_) return std::nullopt;
  const std::size_t end = rest_.find('&');
  const std::string_view pair = rest_.substr(0, end);
  has_more_ = end != std::string_view::npos;
  rest_ = has_more_ ? rest_.substr(end + 1) : std::string_view{};

  Parameter parameter;
  const std::size_t equals = pair.find('=');
  parameter.has_equals = equals != std::string_view::npos;
  parameter.key = decode(pair.substr(0, equals), key_storage_);
  if (parameter.has_equals) parameter.value = decode(pair.substr(equals + 1), value_storage_);
  return parameter;
}

}  // namespace sluice::route
