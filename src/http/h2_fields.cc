#include <algorithm>
#include <cstring>
#include <utility>

#include "sluice/http/h2_session.h"

namespace sluice::http {

// Spans serve `complete` only. They stay behind, so that a session allocates them once and not for
// each head.
H2Fields::H2Fields(H2Fields&& other) noexcept
    : storage_(std::move(other.storage_)),
      capacity_(std::exchange(other.capacity_, 0)),
      used_(std::exchange(other.used_, 0)),
      fields_(std::move(other.fields_)),
      list_bytes_(std::exchange(other.list_bytes_, 0)) {
  other.clear();
}

H2Fields& H2Fields::operator=(H2Fields&& other) noexcept {
  if (this == &other) return *this;
  storage_ = std::move(other.storage_);
  capacity_ = std::exchange(other.capacity_, 0);
  used_ = std::exchange(other.used_, 0);
  spans_.clear();
  fields_ = std::move(other.fields_);
  list_bytes_ = std::exchange(other.list_bytes_, 0);
  other.clear();
  return *this;
}

void H2Fields::clear() {
  used_ = 0;
  spans_.clear();
  fields_.clear();
  list_bytes_ = 0;
}

void H2Fields::append(std::string_view name, std::string_view value) {
  constexpr std::size_t first_capacity = 1024;  // most heads fit
  const std::size_t needed = used_ + name.size() + value.size();
  if (needed > capacity_) {
    const std::size_t capacity = std::max({needed, capacity_ * 2, first_capacity});
    auto storage = std::make_unique_for_overwrite<char[]>(capacity);
    if (used_ > 0) std::memcpy(storage.get(), storage_.get(), used_);
    storage_ = std::move(storage);
    capacity_ = capacity;
  }
  for (const std::string_view text : {name, value}) {
    if (!text.empty()) std::memcpy(storage_.get() + used_, text.data(), text.size());
    used_ += text.size();
  }
  spans_.push_back(
      {static_cast<std::uint32_t>(name.size()), static_cast<std::uint32_t>(value.size())});
  constexpr std::size_t bytes_of_a_field = 32;  // RFC 9113 6.5.2
  list_bytes_ += name.size() + value.size() + bytes_of_a_field;
}

void H2Fields::complete() {
  fields_.clear();
  fields_.reserve(spans_.size());
  const char* at = storage_.get();
  for (const Span& span : spans_) {
    const std::string_view name(at, span.name_bytes);
    const std::string_view value(at + span.name_bytes, span.value_bytes);
    fields_.push_back({name, value, field_name(name)});
    at += span.name_bytes + span.value_bytes;
  }
}

}  // namespace sluice::http
