// Views of bytes, as every floor passes them on. No ownership here.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace sluice::base {

using Bytes = std::span<const char>;
using MutableBytes = std::span<char>;

[[nodiscard]] inline std::string_view as_text(Bytes bytes) { return {bytes.data(), bytes.size()}; }
[[nodiscard]] inline Bytes as_bytes(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace sluice::base
