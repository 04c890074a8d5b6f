#include "control/discovery/ec2.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "control/discovery/ec2/mapping.h"
#include "control/discovery/ec2/query.h"
#include "control/discovery/ec2/region.h"
#include "sluice/observe/log.h"

namespace sluice::control::discovery {
namespace {

using config::Milliseconds;
using config::Node;
using config::Problems;
using namespace std::chrono_literals;

constexpr std::size_t tag_name_max = 127;
constexpr std::size_t tag_value_max = 255;
constexpr std::size_t tags_max = 20;
constexpr std::size_t values_max = 190;  // of all tags; EC2 takes 200, and the states are some
constexpr std::size_t text_max = 128;
constexpr std::size_t told_max = 10;  // instances that are passed over, by name

struct Settings {
  ec2::Question question;
  ec2::Mapping mapping;
  std::string text;
};

// --- what it says while it runs -----------------------------------------------------------------

class Ec2Provider final : public Provider {
 public:
  Ec2Provider(net::Loop& loop, std::shared_ptr<const Settings> settings,
              std::shared_ptr<ec2::Query> query)
      : loop_(loop), settings_(std::move(settings)), query_(std::move(query)) {}
  ~Ec2Provider() override { query_->tell(this, nullptr); }
  Ec2Provider(const Ec2Provider&) = delete;
  Ec2Provider& operator=(const Ec2Provider&) = delete;

  net::Task<Look> look() override {
    Look look;
    // Groups with the same question look at different times: most find the answer of another.
    net::Task<ec2::Query::Shared> asking =
        query_->answer(this, seen_, settings_->question.refresh * 3 / 4);
    const ec2::Query::Shared answer = co_await std::move(asking);
    seen_ = answer;
    if (answer == nullptr) {
      look.error = "memory is short";
      co_return look;
    }
    look.error = answer->error;
    if (answer->retry_after) {  // the answer may be of a while ago
      const auto left = *answer->retry_after - std::chrono::floor<config::Milliseconds>(
                                                   loop_.clock.now() - answer->asked_at);
      look.retry_after = std::max(left, config::Milliseconds(1'000));
    }
    if (!look.error.empty()) co_return look;
    ec2::Mapped mapped = ec2::map_instances(*answer, settings_->mapping);
    tell(std::move(mapped.passed_over));
    look.targets = std::move(mapped.targets);
    co_return look;
  }

  void when_changed(std::function<void()> changed) override {
    query_->tell(this, std::move(changed));
  }

 private:
  // Once, until it changes.
  void tell(std::vector<std::string> passed_over) {
    if (passed_over == told_) return;
    told_ = std::move(passed_over);
    const std::string label = settings_->text + ": ";
    for (std::size_t i = 0; i < std::min(told_.size(), told_max); ++i) {
      observe::log(observe::Level::warning, label + told_[i]);
    }
    if (told_.size() > told_max) {
      observe::log(observe::Level::warning,
                   label + "and " + std::to_string(told_.size() - told_max) + " more");
    }
  }

  net::Loop& loop_;
  std::shared_ptr<const Settings> settings_;
  std::shared_ptr<ec2::Query> query_;
  ec2::Query::Shared seen_;
  std::vector<std::string> told_;
};

class Ec2Source final : public Source {
 public:
  explicit Ec2Source(Settings settings)
      : settings_(std::make_shared<const Settings>(std::move(settings))) {}
  [[nodiscard]] std::string_view kind() const override { return "ec2"; }
  [[nodiscard]] std::string text() const override { return settings_->text; }
  [[nodiscard]] std::string fingerprint() const override {
    const ec2::Mapping& mapping = settings_->mapping;
    std::string text = settings_->question.fingerprint() + '\n' +
                       std::to_string(settings_->question.refresh.count()) + '\n' +
                       std::to_string(static_cast<int>(mapping.address)) + '\n' +
                       std::to_string(mapping.port.value_or(0));
    for (const std::string& tag : {mapping.port_tag, mapping.weight_tag, mapping.drain_tag}) {
      text += '\n' + std::to_string(tag.size()) + ':' + tag;
    }
    return text;
  }
  [[nodiscard]] Milliseconds refresh() const override { return settings_->question.refresh; }
  [[nodiscard]] std::unique_ptr<Provider> make(net::Loop& loop) const override {
    return std::make_unique<Ec2Provider>(loop, settings_,
                                         ec2::shared_query(loop, settings_->question));
  }

 private:
  std::shared_ptr<const Settings> settings_;
};

// --- the mapping in the configuration -----------------------------------------------------------

std::string tag_name(const Node& node, std::string_view key, std::string otherwise,
                     Problems& problems) {
  const auto given = node.get(key);
  if (!given) return otherwise;
  auto name = given->as_string(problems);
  if (!name) return otherwise;
  if (name->empty() || name->size() > tag_name_max) {
    given->error("must be the name of a tag, of 1 to 127 bytes, not " + given->quoted(), problems);
  }
  return *std::move(name);
}

std::vector<ec2::TagFilter> read_tags(const Node& node, Problems& problems) {
  const auto tags = node.get("tags");
  const bool is_mapping = tags && tags->kind() == Node::Kind::mapping;
  std::vector<ec2::TagFilter> filters;
  if (!is_mapping || tags->keys().empty() || tags->keys().size() > tags_max) {
    if (!tags || !tags->is_refused()) {
      (tags ? *tags : node)
          .error(tags ? "must be a mapping of 1 to 20 tags, such as { Role: api }, not " +
                            tags->quoted()
                      : "needs tags: a mapping such as { Role: api } that chooses the instances",
                 problems);
    }
    return filters;
  }
  std::size_t values = 0;
  for (const std::string& name : tags->keys()) {
    const auto value = tags->get(name);
    ec2::TagFilter filter{.name = name, .values = {}};
    if (value) filter.values = value->as_strings(problems);
    values += filter.values.size();
    const bool are_short = std::ranges::all_of(
        filter.values, [](const std::string& text) { return text.size() <= tag_value_max; });
    if (name.empty() || name.size() > tag_name_max || !are_short || !value) {
      (value ? *value : *tags)
          .error(
              "a tag has a name of 1 to 127 bytes, and a value or a list of values of at most "
              "255 bytes each",
              problems);
    } else if (filter.values.empty() && value->kind() == Node::Kind::sequence) {
      value->error("must have at least one value", problems);
    }
    filters.push_back(std::move(filter));
  }
  if (values > values_max) {
    tags->error("at most 190 values in all, not " + std::to_string(values), problems);
  }
  return filters;
}

void read_place(const Node& node, ec2::Question& question, Problems& problems) {
  if (const auto region = node.get("region")) {
    question.region = region->as_string(problems).value_or("");
    if (!question.region.empty() && !ec2::is_region(question.region)) {
      region->error("must be a region such as eu-west-1, not " + region->quoted(), problems);
    }
  }
  if (const auto endpoint = node.get("endpoint")) {
    question.endpoint = endpoint->as_string(problems).value_or("");
    if (question.endpoint.empty()) return;
    const auto url = http::parse_url(question.endpoint);
    const bool is_good = url && url->path == "/" &&
                         (url->is_https || ec2::is_loopback_host(url->host)) &&
                         !ec2::is_metadata_host(url->host);
    if (!is_good) {
      endpoint->error(
          "must be a URL such as https://ec2.eu-west-1.amazonaws.com, without a path (http:// on "
          "loopback only), not " +
              endpoint->quoted(),
          problems);
    }
  }
}

void read_mapping(const Node& node, ec2::Mapping& mapping, Problems& problems) {
  if (const auto port = node.get("port")) {
    const auto number = port->as_integer(1, 65535, problems);
    mapping.port = static_cast<std::uint16_t>(number.value_or(1));
  }
  mapping.port_tag = tag_name(node, "port_tag", "", problems);
  if (!mapping.port && !node.get("port_tag")) {
    node.error("needs port, a number, or port_tag, the tag that has it", problems);
  }
  mapping.weight_tag = tag_name(node, "weight_tag", "", problems);
  mapping.drain_tag = tag_name(node, "drain_tag", "sluice:drain", problems);
  const auto address = node.get("address");
  const auto family = node.get("family");
  const auto which = address ? address->as_choice({"private", "public"}, problems) : std::nullopt;
  const auto kind = family ? family->as_choice({"ipv4", "ipv6"}, problems) : std::nullopt;
  if (which == std::size_t{1}) mapping.address = ec2::WhichAddress::public_ipv4;
  if (kind == std::size_t{1}) {
    mapping.address = ec2::WhichAddress::ipv6;
    if (which) {
      address->error("only with family: ipv4; an IPv6 address is neither private nor public",
                     problems);
    }
  }
}

std::string text_of(const ec2::Question& question, const ec2::Mapping& mapping) {
  std::string text = "ec2";
  for (const ec2::TagFilter& tag : question.tags) {
    text += ' ' + tag.name + '=';
    for (const std::string& value : tag.values) {
      if (!text.ends_with('=')) text += ',';
      text += value;
    }
  }
  if (mapping.port) text += " port " + std::to_string(*mapping.port);
  if (!mapping.port_tag.empty()) text += " port_tag " + mapping.port_tag;
  if (!question.region.empty()) text += " in " + question.region;
  return observe::escaped(text, text_max);
}

}  // namespace

std::shared_ptr<const Source> read_ec2_source(const Node& node, Problems& problems) {
  Problems found;
  Settings settings;
  if (node.kind() != Node::Kind::mapping) {
    if (!node.is_refused()) {
      node.error(
          "must be a mapping such as { tags: { Role: api }, port: 8080 }, not " + node.quoted(),
          problems);
    }
    return nullptr;
  }
  node.allow_keys({"tags", "region", "endpoint", "address", "family", "port", "port_tag",
                   "weight_tag", "drain_tag", "refresh", "timeout"},
                  found);
  settings.question.tags = read_tags(node, found);
  read_place(node, settings.question, found);
  read_mapping(node, settings.mapping, found);
  if (const auto refresh = node.get("refresh")) {
    settings.question.refresh = refresh->as_duration(1s, 1h, found).value_or(15s);
  }
  if (const auto timeout = node.get("timeout")) {
    settings.question.timeout = timeout->as_duration(100ms, 30s, found).value_or(10s);
  }
  settings.text = text_of(settings.question, settings.mapping);
  problems.add(found, "");
  if (found.has_errors()) return nullptr;
  return std::make_shared<const Ec2Source>(std::move(settings));
}

}  // namespace sluice::control::discovery
