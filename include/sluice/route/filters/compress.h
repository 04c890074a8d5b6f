// compress: content codings for answers that clients can decode and that are worth it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/http/content_coding.h"

namespace sluice::route {

struct CompressSettings {
  std::vector<http::ContentCoding> codings{http::ContentCoding::brotli, http::ContentCoding::zstd,
                                           http::ContentCoding::gzip};  // the most wanted first
  std::array<int, http::content_codings.size()> levels{5, 4, 3};        // as content_codings
  std::vector<std::string> types{"text/*",           "application/json",   "application/javascript",
                                 "application/xml",  "application/*+json", "application/*+xml",
                                 "application/wasm", "image/svg+xml"};
  std::uint64_t size_least = 1024;  // bytes, 1..1 GiB; answers of unknown length count as larger
  // Answers of the process that are being compressed at a time under these settings, 1..1,000,000:
  // each may hold up to a few MiB. Beyond, answers pass as they are.
  std::uint32_t concurrency = 512;

  // Whether a Content-Type is one of `types`; its parameters do not matter.
  [[nodiscard]] bool takes_type(std::string_view content_type) const;

  bool operator==(const CompressSettings&) const = default;
};

struct Compress {
  CompressSettings settings;
  // Answers under way, of all workers. Live, hence kept over reloads.
  std::shared_ptr<std::atomic<std::uint32_t>> active =
      std::make_shared<std::atomic<std::uint32_t>>(0);
};

}  // namespace sluice::route
