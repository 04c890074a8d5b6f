#include "control/discovery/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <set>
#include <system_error>
#include <utility>

#include "control/discovery/directory_watch.h"
#include "sluice/config/load.h"
#include "sluice/net/listener.h"
#include "sluice/observe/log.h"

namespace sluice::control::discovery {

namespace {

using config::Milliseconds;
using config::Node;
using config::Problems;

constexpr std::uint64_t largest_file = 4 * config::mebibyte;
constexpr Milliseconds default_refresh{10'000};

// What the system says of a file; equal: it was not written meanwhile.
using Stamp = std::array<std::int64_t, 7>;

Stamp stamp_of(const struct stat& status) {
  return {static_cast<std::int64_t>(status.st_size),
          static_cast<std::int64_t>(status.st_dev),
          static_cast<std::int64_t>(status.st_ino),
          status.st_mtim.tv_sec,
          status.st_mtim.tv_nsec,
          status.st_ctim.tv_sec,
          status.st_ctim.tv_nsec};
}

// All zero: there is no such file.
Stamp stamp_of(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return {};
  return stamp_of(status);
}

std::string error_text() { return std::generic_category().message(errno); }

// A pipe or a device is refused before it is read: it could keep us waiting for ever.
std::string read_file(const std::string& path, Stamp& stamp, std::string& error) {
  const net::OwnedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status{};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
    error = "cannot be read: " + error_text();
    return {};
  }
  stamp = stamp_of(status);
  if (!S_ISREG(status.st_mode)) {
    error = "is no file";
    return {};
  }
  std::string text(largest_file + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      error = "cannot be read: " + error_text();
      return {};
    }
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  if (size > largest_file) error = "is larger than 4 MiB";
  return text;
}

std::optional<Found> read_address(const Node& node, Problems& problems) {
  const auto address = config::parse_address(node, problems);
  if (!address) return std::nullopt;
  const auto endpoint =
      address->is_unix ? std::nullopt : net::Endpoint::numeric(address->host, address->port);
  if (!endpoint || address->port == 0) {
    node.error("must be an IP address and a port from 1 to 65535, not " + node.quoted(), problems);
    return std::nullopt;
  }
  Found found;
  found.id = address->text();
  found.endpoint = *endpoint;
  return found;
}

// `address:port` or { address: address:port, weight: 1, zone: a, draining: false }
std::optional<Found> read_target(const Node& node, Problems& problems) {
  if (node.kind() == Node::Kind::scalar) return read_address(node, problems);
  if (node.kind() != Node::Kind::mapping) {
    node.error("must be address:port or a mapping, not " + node.quoted(), problems);
    return std::nullopt;
  }
  node.allow_keys({"address", "weight", "zone", "draining"}, problems);
  const auto address = node.get("address");
  if (!address) {
    node.error("has no address; it must be address:port", problems);
    return std::nullopt;
  }
  std::optional<Found> found = read_address(*address, problems);
  if (!found) return std::nullopt;
  if (const auto weight = node.get("weight")) {
    found->weight = static_cast<std::uint32_t>(weight->as_integer(0, 999, problems).value_or(1));
  }
  if (const auto zone = node.get("zone")) {
    found->zone = zone->as_string(problems).value_or("");
    if (found->zone.size() > 64) zone->error("must be at most 64 bytes", problems);
  }
  if (const auto draining = node.get("draining")) {
    found->is_leaving = draining->as_bool(problems).value_or(false);
  }
  return found;
}

class FileSource : public Source {
 public:
  FileSource(std::string path, Milliseconds refresh) : path_(std::move(path)), refresh_(refresh) {}

  std::string_view kind() const override { return "file"; }
  std::string text() const override { return "file " + observe::escaped(path_); }
  std::string fingerprint() const override {
    return std::to_string(refresh_.count()) + ' ' + path_;
  }
  Milliseconds refresh() const override { return refresh_; }
  std::unique_ptr<Provider> make(net::Loop& loop) const override;

 private:
  const std::string path_;
  const Milliseconds refresh_;
};

// Told by the system that something in the file's directory changed, which is also how a file is
// replaced: renamed over, or a symbolic link turned to another.
class FileProvider : public Provider {
 public:
  FileProvider(net::Loop& loop, std::string path)
      : path_(std::move(path)), watch_(loop.context, [this] { noticed(); }) {}

  net::Task<Look> look() override;
  void when_changed(std::function<void()> changed) override { changed_ = std::move(changed); }

 private:
  void noticed() const {
    if (changed_ && stamp_of(path_) != stamp_) changed_();
  }

  const std::string path_;
  Stamp stamp_{};  // of what `last_` was read from
  Look last_;
  bool has_looked_ = false;
  std::function<void()> changed_;
  DirectoryWatch watch_;
};

net::Task<Look> FileProvider::look() {
  // Before it is read: what changes from now on is told.
  watch_.follow(path_);
  if (has_looked_ && last_.error.empty() && stamp_of(path_) == stamp_) co_return last_;
  std::string error;
  stamp_ = {};
  const std::string text = read_file(path_, stamp_, error);
  last_ = error.empty() ? read_targets(text, path_) : Look{};
  if (!error.empty()) last_.error = observe::escaped(path_) + " " + error;
  has_looked_ = true;
  co_return last_;
}

std::unique_ptr<Provider> FileSource::make(net::Loop& loop) const {
  return std::make_unique<FileProvider>(loop, path_);
}

}  // namespace

Look read_targets(std::string_view text, const std::string& name) {
  Look look;
  Problems problems;
  std::set<std::string> seen;
  const std::optional<Node> root = config::parse(text, name, problems);
  if (root && !root->is_null() && root->kind() != Node::Kind::sequence) {
    root->error("must be a list of targets, not " + root->quoted(), problems);
  }
  if (root) {
    for (const Node& item : root->items()) {
      std::optional<Found> found = read_target(item, problems);
      if (!found) continue;
      if (seen.insert(found->id).second) {
        look.targets.push_back(std::move(*found));
      } else {
        item.error("duplicate target " + found->id, problems);
      }
    }
  }
  if (!problems.has_errors()) return look;
  look.targets.clear();
  const auto sorted = problems.sorted();
  look.error = sorted.front().text();
  if (sorted.size() > 1) look.error += " (and " + std::to_string(sorted.size() - 1) + " more)";
  return look;
}

std::shared_ptr<const Source> read_file_source(const Node& node, Problems& problems) {
  node.allow_keys({"path", "refresh"}, problems);
  Milliseconds refresh = default_refresh;
  if (const auto given = node.get("refresh")) {
    const auto value = given->as_duration(Milliseconds(100), std::chrono::hours(24), problems);
    refresh = value.value_or(refresh);
  }
  const auto given = node.get("path");
  if (!given) {
    node.error("has no path; it must be the name of a file with a list of targets", problems);
    return nullptr;
  }
  const auto path = given->as_string(problems);
  if (!path) return nullptr;
  if (path->empty() || path->find('\n') != std::string::npos) {
    given->error("must be the name of a file, not " + given->quoted(), problems);
    return nullptr;
  }
  return std::make_shared<const FileSource>(*path, refresh);
}

}  // namespace sluice::control::discovery
