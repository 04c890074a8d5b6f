// Answers of AWS out of the network, XML and JSON: read in bounds, whatever they are, and what is
// made of them is bounded and printable.
#include <algorithm>
#include <string>
#include <vector>

#include "control/discovery/ec2/answers.h"
#include "control/discovery/ec2/credential_chain.h"
#include "control/discovery/ec2/mapping.h"
#include "control/discovery/ec2/times.h"
#include "property.h"

namespace {

using namespace sluice::control::discovery::ec2;
using sluice::fuzz::require;

bool is_printable(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

void check_instances(std::string_view text) {
  std::string error;
  auto page = parse_instances(text, error);
  require(page.has_value() == error.empty(), "instances or an error");
  if (!page) return;
  Answer answer;
  answer.instances = std::move(page->instances);
  Mapping mapping;
  mapping.port = 80;
  mapping.port_tag = "port";
  mapping.weight_tag = "weight";
  mapping.drain_tag = "drain";
  const Mapped mapped = map_instances(answer, mapping);
  require(mapped.targets.size() <= answer.instances.size(), "no more targets than instances");
  for (const auto& target : mapped.targets) {
    require(target.weight <= 999 && target.endpoint.port() != 0, "a target in its ranges");
    require(target.id == target.endpoint.text(), "a target is named by its place");
    require(is_printable(target.zone), "a zone is printable");
  }
  for (const std::string& line : mapped.passed_over) {
    require(is_printable(line) && line.size() < 2048, "a line for the log is one");
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // An allocation that ends with the text: the sanitizer sees any read beyond.
  const std::vector<char> copy(data, data + size);
  const std::string_view text(copy.data(), copy.size());
  check_instances(text);
  // Inside of a good answer, so that what is behind the frame is reached.
  check_instances("<DescribeInstancesResponse><reservationSet><item><instancesSet><item>" +
                  std::string(text) +
                  "</item></instancesSet></item></reservationSet></DescribeInstancesResponse>");
  require(is_printable(parse_error_code(text)), "a code is printable");
  (void)parse_assumed_role(text);
  (void)parse_timestamp(text);
  (void)parse_http_date(text);
  std::string json(text);
  (void)parse_credentials(json);
  require(json.empty(), "what had credentials is wiped");
  return 0;
}
