// Which instances a source asks for. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/config/model.h"

namespace sluice::control::discovery::ec2 {

inline constexpr std::size_t page_instances = 200;  // asked for; a page may have fewer

struct TagFilter {
  std::string name;
  std::vector<std::string> values;  // any of these; with the wildcards of EC2
};

struct Question {
  std::string region;    // empty: of the environment, or the instance
  std::string endpoint;  // URL; empty: the region's
  std::vector<TagFilter> tags;
  config::Milliseconds timeout{10'000};  // of one call
  config::Milliseconds refresh{15'000};  // of the group that asks first: how throttling grows

  // Equal text: the same question.
  [[nodiscard]] std::string fingerprint() const;
};

// The body of the call. `token`: of the page before; empty: the first page.
[[nodiscard]] std::string form_of(const Question& question, std::string_view token);

}  // namespace sluice::control::discovery::ec2
