#include "sluice/http/h2_fields.h"

#include <memory>
#include <type_traits>
#include <utility>

#include "sluice/base/block_memory.h"

namespace sluice::http {

H2Fields::~H2Fields() {
  static_assert(std::is_trivially_destructible_v<Field>);
  if (fields_ != nullptr) base::BlockMemory::release(fields_, block_bytes_);
}

H2Fields::H2Fields(H2Fields&& other) noexcept
    : fields_(std::exchange(other.fields_, nullptr)),
      block_bytes_(std::exchange(other.block_bytes_, 0)),
      count_(std::exchange(other.count_, 0)),
      list_bytes_(std::exchange(other.list_bytes_, 0)) {}

H2Fields& H2Fields::operator=(H2Fields&& other) noexcept {
  std::swap(fields_, other.fields_);
  std::swap(block_bytes_, other.block_bytes_);
  std::swap(count_, other.count_);
  std::swap(list_bytes_, other.list_bytes_);
  return *this;
}

// What a large head needed is not kept: an idle connection holds little, whatever its past.
void H2FieldsBuilder::clear() {
  constexpr std::size_t kept_bytes = 4096;
  constexpr std::size_t kept_fields = 128;
  if (text_.capacity() > kept_bytes) text_ = std::string();
  if (spans_.capacity() > kept_fields) spans_ = {};
  text_.clear();
  spans_.clear();
}

void H2FieldsBuilder::append(std::string_view name, std::string_view value) {
  text_.append(name).append(value);
  spans_.push_back(
      {static_cast<std::uint32_t>(name.size()), static_cast<std::uint32_t>(value.size())});
}

H2Fields H2FieldsBuilder::take() {
  constexpr std::size_t bytes_of_a_field = 32;  // RFC 9113 6.5.2
  H2Fields made;
  if (spans_.empty()) return made;
  made.block_bytes_ = spans_.size() * sizeof(Field) + text_.size();
  void* const block = base::BlockMemory::allocate(made.block_bytes_);
  char* at = static_cast<char*>(block) + spans_.size() * sizeof(Field);
  text_.copy(at, text_.size());
  made.fields_ = static_cast<Field*>(block);
  for (const Span& span : spans_) {
    const std::string_view name(at, span.name_bytes);
    const std::string_view value(at + span.name_bytes, span.value_bytes);
    std::construct_at(made.fields_ + made.count_++, Field{name, value, field_name(name)});
    at += span.name_bytes + span.value_bytes;
  }
  made.list_bytes_ = text_.size() + bytes_of_a_field * spans_.size();
  clear();
  return made;
}

}  // namespace sluice::http
