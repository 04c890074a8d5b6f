#include "sluice/config/load.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>
#include <utility>

#include "config/readers.h"
#include "config/yaml_document.h"
#include "sluice/base/text.h"

namespace sluice::config {
namespace {

// About 35,000 rules. Flow collections cost the YAML scanner some 90 bytes of memory per byte of
// text.
constexpr std::size_t largest_file = 4 * mebibyte;

// Nothing, reported, when the file cannot be read or is too large.
std::optional<std::string> read_file(const std::string& path, Problems& problems) {
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  std::string text(largest_file + 1, '\0');
  if (stream) stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.is_open() || stream.bad()) {  // a directory opens, and fails when it is read
    problems.error({path, 0, 0}, "", "cannot be read: " + std::generic_category().message(errno));
    return std::nullopt;
  }
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

void read_workers(const Node& node, std::uint32_t& workers, Problems& problems) {
  constexpr std::uint64_t most = 256;
  const auto text = node.as_string(problems);
  if (!text || *text == "auto") return;
  const auto count = base::parse_decimal(*text);
  if (count && *count >= 1 && *count <= most) {
    workers = static_cast<std::uint32_t>(*count);
  } else {
    node.error("must be auto or a whole number from 1 to 256, not " + node.quoted(), problems);
  }
}

// What is no list at all has been reported as that.
void check_listeners_exist(const Node& root, Problems& problems) {
  const auto list = root.get("listeners");
  const bool missing = !list && root.kind() == Node::Kind::mapping;
  const bool empty = list && list->kind() == Node::Kind::sequence && list->items().empty();
  if (!missing && !empty) return;
  problems.error(list ? list->position() : root.position(), "listeners",
                 "missing; a configuration has at least one listener");
}

void check_admin_address(const Model& model, Problems& problems) {
  const auto& bind = model.admin.bind;
  if (!bind || (!bind->is_unix && bind->port == 0)) return;
  for (const Listener& listener : model.listeners) {
    if (listener.bind.text() != bind->text()) continue;
    problems.error(bind->position, "admin.bind",
                   "duplicate address '" + bind->text() + "'; the listener at line " +
                       std::to_string(listener.position.line) + " has it");
    return;
  }
}

// Lines of two formats in one file, and two writers that each rename and reopen it. A device, such
// as /dev/stdout of a container, is nobody's to reopen.
void check_logs_differ(const Model& model, Problems& problems) {
  const std::string& access = model.access_log.path;
  if (access.empty() || access == "stdout" || access == "stderr" || access.starts_with("/dev/"))
    return;
  const auto normal = [](const std::string& path) {
    return std::filesystem::path(path).lexically_normal();
  };
  if (normal(access) != normal(model.log.path)) return;
  problems.error(model.access_log.position, "access_log.path",
                 "the same file as log.path at line " + std::to_string(model.log.position.line) +
                     "; give each log its own");
}

bool is_any_address(const Address& address) {
  return !address.is_unix && (address.host == "0.0.0.0" || address.host == "::");
}

// Two addresses of the same family and port cannot be bound when one of them is 0.0.0.0 or [::].
// The kernel would say so too, but only once everything else is right.
class AnyAddresses {
 public:
  explicit AnyAddresses(const std::vector<Listener>& listeners) {
    for (const Listener& listener : listeners) {
      if (is_any_address(listener.bind)) first_.try_emplace(place_of(listener.bind), &listener);
    }
  }

  void check(const Address& bind, const std::string& path, Problems& problems) const {
    if (bind.is_unix || bind.host.empty() || bind.port == 0 || is_any_address(bind)) return;
    const auto found = first_.find(place_of(bind));
    if (found == first_.end()) return;
    problems.error(bind.position, path,
                   "'" + bind.text() + "' is part of '" + found->second->bind.text() +
                       "', which the listener at line " +
                       std::to_string(found->second->position.line) + " has");
  }

 private:
  using Place = std::pair<bool, std::uint16_t>;  // is IPv6, port
  static Place place_of(const Address& address) {
    return {address.host.find(':') != std::string::npos, address.port};
  }

  std::map<Place, const Listener*> first_;
};

void check_overlaps(const Model& model, Problems& problems) {
  const AnyAddresses any(model.listeners);
  for (std::size_t i = 0; i < model.listeners.size(); ++i) {
    any.check(model.listeners[i].bind, "listeners[" + std::to_string(i) + "].bind", problems);
  }
  if (model.admin.bind) any.check(*model.admin.bind, "admin.bind", problems);
}

Model read_model(const Node& root, Problems& problems) {
  Model model;
  Section section(root, problems);
  model.workers_position = root.position();
  if (const auto workers = section.get("workers")) {
    model.workers_position = workers->position();
    read_workers(*workers, model.workers, problems);
  }
  model.listeners = read_listeners(section.list("listeners"), problems);
  model.target_groups = read_target_groups(section.list("target_groups"), problems);
  if (const auto node = section.section("timeouts")) read_timeouts(*node, model.timeouts, problems);
  if (const auto node = section.section("limits")) read_limits(*node, model.limits, problems);
  if (const auto node = section.section("http2")) read_http2(*node, model.http2, problems);
  if (const auto node = section.section("forwarding"))
    read_forwarding(*node, model.forwarding, problems);
  if (const auto node = section.section("admin")) read_admin(*node, model.admin, problems);
  if (const auto node = section.section("access_log"))
    read_access_log(*node, model.access_log, problems);
  if (const auto node = section.section("log")) read_error_log(*node, model.log, problems);
  if (const auto node = section.section("shutdown")) read_shutdown(*node, model.shutdown, problems);
  if (const auto node = section.get("cookie_keys"))
    model.cookie_keys = read_cookie_keys(*node, problems);
  section.text("state_dir", model.state_dir, model.state_position);

  check_listeners_exist(root, problems);
  check_admin_address(model, problems);
  check_overlaps(model, problems);
  check_logs_differ(model, problems);
  return model;
}

}  // namespace

std::optional<Model> load(const std::string& path, Problems& problems) {
  std::optional<Model> model = read(path, problems);
  if (problems.has_errors()) return std::nullopt;
  return model;
}

std::optional<Model> load_text(std::string_view text, const std::string& name, Problems& problems) {
  std::optional<Model> model = read_text(text, name, problems);
  if (problems.has_errors()) return std::nullopt;
  return model;
}

std::optional<Model> read(const std::string& path, Problems& problems) {
  const auto text = read_file(path, problems);
  if (!text) return std::nullopt;
  return read_text(*text, path, problems);
}

std::optional<Model> read_text(std::string_view text, const std::string& name, Problems& problems) {
  if (text.size() > largest_file) {
    problems.error({name, 0, 0}, "", "larger than 4 MiB, the most a configuration may have");
    return std::nullopt;
  }
  auto document = parse_yaml(text, name, problems);
  if (!document) return std::nullopt;
  return read_model(Node(std::move(document), ""), problems);
}

std::optional<Node> parse(std::string_view text, const std::string& name, Problems& problems) {
  if (text.size() > largest_file) {
    problems.error({name, 0, 0}, "", "larger than 4 MiB");
    return std::nullopt;
  }
  auto document = parse_yaml(text, name, problems);
  if (!document) return std::nullopt;
  return Node(std::move(document), "");
}

}  // namespace sluice::config
