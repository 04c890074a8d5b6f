#include <algorithm>
#include <cstring>

#include "sluice/http/h2_session.h"

namespace sluice::http {

void H2Fields::clear() {
  used_ = 0;
  list_bytes_ = 0;
  spans_.clear();
  fields_.clear();
}

void H2Fields::append(std::string_view name, std::string_view value) {
  constexpr std::size_t least_capacity = 1024;
  constexpr std::size_t field_overhead = 32;  // RFC 9113 6.5.2
  const std::size_t needed = used_ + name.size() + value.size();
  if (needed > capacity_) {
    capacity_ = std::max({needed, 2 * capacity_, least_capacity});
    auto grown = std::make_unique_for_overwrite<char[]>(capacity_);
    if (used_ != 0) std::memcpy(grown.get(), storage_.get(), used_);
    storage_ = std::move(grown);
  }
  for (const std::string_view text : {name, value}) {
    std::copy(text.begin(), text.end(), storage_.get() + used_);
    used_ += text.size();
  }
  spans_.push_back(
      {static_cast<std::uint32_t>(name.size()), static_cast<std::uint32_t>(value.size())});
  list_bytes_ += name.size() + value.size() + field_overhead;
}

void H2Fields::complete() {
  const char* at = storage_.get();
  fields_.clear();
  fields_.reserve(spans_.size());
  for (const Span& span : spans_) {
    const std::string_view name{at, span.name_bytes};
    const std::string_view value{at + span.name_bytes, span.value_bytes};
    fields_.push_back({name, value, field_name(name)});
    at += span.name_bytes + span.value_bytes;
  }
}

}  // namespace sluice::http
