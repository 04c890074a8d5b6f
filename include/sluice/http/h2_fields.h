// A decoded field block of HTTP/2, and how it is put together while its fields come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/http/field.h"

namespace sluice::http {

// Pseudo-header fields and all others in the order of their coming, as views into storage of its
// own. Moving it keeps the views valid.
class H2Fields {
 public:
  H2Fields() = default;
  ~H2Fields();
  H2Fields(H2Fields&& other) noexcept;
  H2Fields& operator=(H2Fields&& other) noexcept;

  [[nodiscard]] std::span<const Field> all() const { return {fields_, count_}; }
  // Names and values with 32 bytes for each (RFC 9113 6.5.2): what the limits count.
  [[nodiscard]] std::size_t list_bytes() const { return list_bytes_; }

 private:
  friend class H2FieldsBuilder;
  // One block: the fields, and behind them their names and values.
  Field* fields_ = nullptr;
  std::size_t block_bytes_ = 0;
  std::size_t count_ = 0;
  std::size_t list_bytes_ = 0;
};

// Reused from block to block, so that it allocates for the largest of them only.
class H2FieldsBuilder {
 public:
  void clear();
  void append(std::string_view name, std::string_view value);
  // What was appended; nothing is left of it here.
  [[nodiscard]] H2Fields take();

 private:
  struct Span {
    std::uint32_t name_bytes;
    std::uint32_t value_bytes;
  };
  std::string text_;
  std::vector<Span> spans_;
};

}  // namespace sluice::http
