// mirror: { group: next, share: 10 } - copies of requests that are forwarded go to that group, too;
// its answers are dropped.
#include "sluice/route/filters/mirror.h"

#include <optional>
#include <utility>

#include "route/filters/readers.h"
#include "route/group_name.h"
#include "sluice/base/text.h"

namespace sluice::route {
namespace {

using config::Node;
using config::Problems;
using namespace std::chrono_literals;

constexpr std::uint64_t body_bytes_max = 16 * config::mebibyte;
constexpr std::uint64_t in_flight_max = 100'000;

// `12`, `0.5`, `33.33`: in hundredths.
std::optional<std::uint32_t> parse_percent(std::string_view text) {
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  std::string_view rest;
  if (point != std::string_view::npos) {
    rest = text.substr(point + 1);
    if (rest.empty() || rest.size() > 2) return std::nullopt;
  }
  if (whole.size() > 3) return std::nullopt;
  const auto percents = base::parse_decimal(whole);
  auto hundredths = rest.empty() ? std::optional<std::uint64_t>(0) : base::parse_decimal(rest);
  if (!percents || !hundredths) return std::nullopt;
  const std::uint64_t share = *percents * 100 + *hundredths * (rest.size() == 1 ? 10 : 1);
  if (share > Mirror::share_whole) return std::nullopt;
  return static_cast<std::uint32_t>(share);
}

void read_share(const Node& node, Mirror& mirror, Problems& problems) {
  const auto text = node.as_string(problems);
  if (!text) return;
  const auto share = parse_percent(*text);
  if (share) {
    mirror.share = *share;
  } else {
    node.error("must be percents from 0 to 100 with at most two decimals, such as 12.5, not " +
                   node.quoted(),
               problems);
  }
}

// Of the same rule, or listener, in the configuration before; not what it shared with others.
std::shared_ptr<MirrorLoad> former_load(const FilterContext& context) {
  const auto load_of = [](const Filters* filters) {
    return filters != nullptr && filters->mirror != nullptr ? filters->mirror->load : nullptr;
  };
  std::shared_ptr<MirrorLoad> load = load_of(context.former);
  return load == load_of(context.former_listener) ? nullptr : load;
}

}  // namespace

void read_mirror(const config::Node& value, Filters& filters, const FilterContext& context,
                 config::Problems& problems) {
  if (value.kind() != Node::Kind::mapping || value.keys().empty()) {
    value.error("must be a mapping such as { group: next, share: 10 }, not " + value.quoted(),
                problems);
    return;
  }
  Problems found;
  value.allow_keys({"group", "share", "body_bytes", "timeout", "in_flight"}, found);
  Mirror mirror;
  if (const auto group = value.get("group")) {
    if (auto named = read_group_name(*group, context.groups, found)) {
      mirror.group = named->index;
      mirror.group_name = std::move(named->name);
    }
  } else {
    value.error("needs group: the target group that gets the copies", found);
  }
  if (const auto share = value.get_section("share")) read_share(*share, mirror, found);
  if (const auto bytes = value.get("body_bytes")) {
    mirror.body_bytes = bytes->as_size(0, body_bytes_max, found).value_or(mirror.body_bytes);
  }
  if (const auto timeout = value.get("timeout")) {
    mirror.timeout = timeout->as_duration(10ms, 5min, found).value_or(mirror.timeout);
  }
  if (const auto copies = value.get("in_flight")) {
    const auto most = copies->as_integer(1, in_flight_max, found);
    if (most) mirror.in_flight = static_cast<std::uint32_t>(*most);
  }
  problems.add(found, "");
  if (found.has_errors()) return;
  if (auto load = former_load(context)) mirror.load = std::move(load);
  filters.mirror = std::make_shared<const Mirror>(std::move(mirror));
}

}  // namespace sluice::route
