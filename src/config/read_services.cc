#include <array>
#include <chrono>

#include "config/readers.h"
#include "sluice/base/cidr.h"

namespace sluice::config {
namespace {

bool is_reachable_from_elsewhere(const Address& address) {
  if (address.is_unix) return false;
  const auto loopback_v4 = base::Cidr::parse("127.0.0.0/8");
  const auto loopback_v6 = base::Cidr::parse("::1");
  const auto ip = base::IpAddress::parse(address.host);
  return !ip || !(loopback_v4->contains(*ip) || loopback_v6->contains(*ip));
}

}  // namespace

void read_admin(const Node& node, Admin& admin, Problems& problems) {
  admin.position = node.position();
  Section section(node, problems);
  section.text("tokens_file", admin.tokens_file, admin.tokens_position);
  const auto bind = section.get("bind");
  if (!bind) return;
  admin.bind = read_bind(*bind, problems);
  if (admin.bind && is_reachable_from_elsewhere(*admin.bind) && admin.tokens_file.empty()) {
    bind->error(
        "others can reach this address, so admin.tokens_file must say who may do what; "
        "without it use 127.0.0.1, [::1] or a Unix socket",
        problems);
  }
}

void read_access_log(const Node& node, AccessLog& log, Problems& problems) {
  Section section(node, problems);
  log.position = node.get("path").value_or(node).position();
  section.text("path", log.path);
  section.size("buffer", {128 * kibibyte, 1024 * mebibyte}, log.buffer_bytes);
  const auto format = section.get("format");
  if (!format) return;
  const auto index = format->as_choice({"json", "combined", "alb"}, problems);
  if (index == 2) {
    format->error("'alb' is not supported by this version; use json or combined", problems);
  } else if (index) {
    log.format = std::array{AccessLogFormat::json, AccessLogFormat::combined}[*index];
  }
}

void read_error_log(const Node& node, ErrorLog& log, Problems& problems) {
  Section section(node, problems);
  log.position = node.get("path").value_or(node).position();
  section.text("path", log.path);
  const auto level = section.get("level");
  if (!level) return;
  constexpr std::array levels = {"debug", "info", "warn", "error"};
  const auto index = level->as_choice({levels[0], levels[1], levels[2], levels[3]}, problems);
  if (index) log.level = levels[*index];
}

void read_shutdown(const Node& node, Shutdown& shutdown, Problems& problems) {
  Section section(node, problems);
  section.duration("deadline", {Milliseconds(0), std::chrono::hours(24)}, shutdown.deadline);
}

}  // namespace sluice::config
