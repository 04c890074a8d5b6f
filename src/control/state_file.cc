#include "control/state_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <system_error>

#include "sluice/base/file.h"
#include "sluice/base/hash.h"
#include "sluice/base/strict_json.h"
#include "sluice/base/text.h"

namespace sluice::control {
namespace {

namespace json = boost::json;

constexpr std::string_view header = "sluice-state ";
constexpr std::uint64_t version = 1;
constexpr std::size_t checksum_size = 16;
constexpr base::JsonLimits line_limits{.bytes = 4096, .depth = 2};
constexpr std::size_t largest_file = std::size_t{512} * 1024 * 1024;
constexpr std::uint64_t largest_weight = 999;

std::string text_of(int code) { return std::generic_category().message(code); }

// Nothing: not a weight. Null: none is given.
std::optional<std::optional<std::uint32_t>> weight_in(const json::object& object,
                                                      std::string_view name) {
  const json::value* const value = object.if_contains(name);
  if (value == nullptr) return std::optional<std::uint32_t>();
  json::error_code error;
  const auto number = value->to_number<std::uint64_t>(error);
  if (error || !value->is_number() || number > largest_weight) return std::nullopt;
  return std::optional(static_cast<std::uint32_t>(number));
}

std::optional<std::string> text_in(const json::object& object, std::string_view name) {
  const json::value* const value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->as_string());
}

std::optional<std::pair<StateKey, StateEntry>> entry_of(std::string_view line) {
  if (line.size() < checksum_size + 2 || line[checksum_size] != ' ') return std::nullopt;
  const std::string_view body = line.substr(checksum_size + 1);
  std::string checksum;
  base::append_hex(checksum, base::hash(body));
  if (line.substr(0, checksum_size) != checksum) return std::nullopt;
  const auto value = base::parse_strict_json(body, line_limits);
  if (!value || !value->is_object()) return std::nullopt;
  const json::object& object = value->as_object();
  const auto group = text_in(object, "group");
  const auto id = text_in(object, "target");
  const auto registered = weight_in(object, "registered");
  const auto weight = weight_in(object, "weight");
  const json::value* const draining = object.if_contains("draining");
  if (!group || !id || !registered || !weight) return std::nullopt;
  if (draining != nullptr && !draining->is_bool()) return std::nullopt;
  return std::pair(StateKey(*group, *id),
                   StateEntry{.registered = *registered,
                              .weight = *weight,
                              .is_draining = draining != nullptr && draining->as_bool()});
}

// `sluice-state 1 250`: the version, and how many lines were there from the beginning.
void read_header(std::string_view line, StateContent& content, std::uint64_t& expected) {
  content.is_header_bad = true;
  if (!line.starts_with(header)) return;
  line.remove_prefix(header.size());
  const std::size_t space = line.find(' ');
  const auto found = base::parse_decimal(line.substr(0, space));
  if (!found) return;
  content.is_from_newer = *found > version;
  if (content.is_from_newer) content.is_header_bad = false;
  if (*found != version || space == std::string_view::npos) return;
  const auto count = base::parse_decimal(line.substr(space + 1));
  if (!count) return;
  content.is_header_bad = false;
  expected = *count;
}

int write_all(int file, std::string_view bytes, std::int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += written;
  }
  return 0;
}

int sync_folder(const std::string& folder) {
  const net::OwnedFd descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor.is_valid() || ::fsync(descriptor.get()) != 0) return errno;
  return 0;
}

StateFile::Failure failure(const char* call, int code) {
  return {.code = code, .text = std::string(call) + ": " + text_of(code)};
}

}  // namespace

std::string state_line(const StateKey& key, const StateEntry& entry) {
  json::object object{{"group", key.first}, {"target", key.second}};
  if (entry.registered) object["registered"] = *entry.registered;
  if (entry.weight) object["weight"] = *entry.weight;
  if (entry.is_draining) object["draining"] = true;
  const std::string body = json::serialize(object);
  std::string line;
  base::append_hex(line, base::hash(body));
  return line.append(" ").append(body).append("\n");
}

std::string state_text(const StateEntries& entries) {
  std::string text(header);
  base::append_decimal(text, version);
  text += ' ';
  base::append_decimal(text, entries.size());
  text += '\n';
  for (const auto& [key, entry] : entries) text += state_line(key, entry);
  return text;
}

StateContent read_state(std::string_view text) {
  StateContent content;
  std::uint64_t expected = 0;
  bool is_header = true;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      content.is_torn = true;
      break;
    }
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (std::exchange(is_header, false)) {
      read_header(line, content, expected);
      if (content.is_from_newer) return content;
      continue;
    }
    auto entry = entry_of(line);
    if (!entry) {
      ++content.damaged;
      continue;
    }
    ++content.lines;
    if (entry->second.says_nothing()) {
      content.entries.erase(entry->first);
    } else {
      content.entries.insert_or_assign(std::move(entry->first), entry->second);
    }
  }
  if (is_header) content.is_header_bad = true;  // it is never written without
  const std::size_t found = content.lines + content.damaged;
  if (expected > found) content.missing = static_cast<std::size_t>(expected - found);
  return content;
}

// --- the file -----------------------------------------------------------------------------------

bool StateFile::Failure::is_full() const {
  return code == ENOSPC || code == EDQUOT || code == EFBIG;
}

StateFile::StateFile(std::string folder, std::string& error)
    : folder_(std::move(folder)), path_(folder_ + "/targets.state") {
  if (::mkdir(folder_.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    error = "cannot be made: " + text_of(errno);
    return;
  }
  const std::string path = folder_ + "/targets.lock";
  net::OwnedFd lock(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  if (!lock.is_valid()) {
    error = "cannot be written to: " + text_of(errno);
  } else if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    error = errno == EWOULDBLOCK ? "another process uses it" : "flock: " + text_of(errno);
  } else {
    lock_ = std::move(lock);
  }
}

std::optional<std::string> StateFile::read(std::string& error) const {
  auto content = base::read_file(path_, largest_file, error);
  if (content) return std::move(content->bytes);
  if (::access(path_.c_str(), F_OK) != 0 && errno == ENOENT) error.clear();
  return std::nullopt;
}

std::string StateFile::set_aside(std::string& error) const {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 32> time{};
  const std::size_t size = std::strftime(time.data(), time.size(), "%Y%m%dT%H%M%SZ", &utc);
  const std::string base = path_ + ".damaged-" + std::string(time.data(), size);
  std::string name = base;
  // A link, for then there is no moment without a file.
  for (int i = 2; ::link(path_.c_str(), name.c_str()) != 0; ++i) {
    if (errno != EEXIST || i > 100) {
      error = text_of(errno);
      return {};
    }
    name = base + "-" + std::to_string(i);
  }
  return name;
}

bool StateFile::needs_replacing() const {
  if (!file_.is_valid() || is_in_doubt_) return true;
  struct stat ours{};
  struct stat there{};
  if (::fstat(file_.get(), &ours) != 0 || ::stat(path_.c_str(), &there) != 0) return true;
  return ours.st_ino != there.st_ino || ours.st_dev != there.st_dev || ours.st_size != size_;
}

StateFile::Failure StateFile::replace(std::string_view text) {
  const std::string beside = path_ + ".new";
  ::unlink(beside.c_str());
  net::OwnedFd file(::open(beside.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                           S_IRUSR | S_IWUSR));
  if (!file.is_valid()) return failure("open", errno);
  const auto give_up = [&](const char* call, int code) {
    ::unlink(beside.c_str());
    return failure(call, code);
  };
  if (const int code = write_all(file.get(), text, 0)) return give_up("write", code);
  if (::fsync(file.get()) != 0) return give_up("fsync", errno);
  if (::rename(beside.c_str(), path_.c_str()) != 0) return give_up("rename", errno);
  file_ = std::move(file);
  size_ = static_cast<std::int64_t>(text.size());
  // It may be the old one again after a crash: whoever asked is told that it failed, and the next
  // change writes it all again.
  const int code = sync_folder(folder_);
  is_in_doubt_ = code != 0;
  return code == 0 ? Failure{} : failure("fsync of the folder", code);
}

StateFile::Failure StateFile::append(std::string_view lines) {
  Failure failed;
  if (const int code = write_all(file_.get(), lines, size_)) {
    failed = failure("write", code);
  } else if (::fdatasync(file_.get()) != 0) {
    // What the disk has now nobody knows (the kernel forgets the fault once it is told).
    failed = failure("fdatasync", errno);
    is_in_doubt_ = true;
  }
  if (failed.code == 0) {
    size_ += static_cast<std::int64_t>(lines.size());
  } else if (::ftruncate(file_.get(), size_) != 0) {
    is_in_doubt_ = true;
  }
  return failed;
}

}  // namespace sluice::control
