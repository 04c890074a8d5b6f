// What a rule does with a request: forward it, redirect the client, or answer at once.
//
// Plain values, built on the control thread, constant afterwards. To add a kind: one file in
// src/route/actions, one row in actions.cc, one alternative of Action, one test named after it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "sluice/config/model.h"
#include "sluice/config/node.h"

namespace sluice::route {

// The target groups that an action may name; group i is names[i].
class GroupLookup {
 public:
  // `sticky`: those with cookies of their own that name targets; in the same order, or empty.
  explicit GroupLookup(std::vector<std::string> names, std::vector<bool> sticky = {})
      : names_(std::move(names)), sticky_(std::move(sticky)) {}
  [[nodiscard]] std::optional<std::size_t> operator()(std::string_view name) const;
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] bool is_sticky(std::size_t group) const {
    return group < sticky_.size() && sticky_[group];
  }

 private:
  std::vector<std::string> names_;
  std::vector<bool> sticky_;
};

// To one group, or to several by weight.
struct Forward {
  struct To {
    std::size_t group = 0;  // as GroupLookup counts
    std::string name;
    std::uint32_t weight = 1;  // 0..999; 0: only sessions that it has
    std::uint64_t up_to = 1;   // the weights of all before it and its own
  };
  std::vector<To> groups;  // at least one, all different, one with another weight than 0
  std::optional<config::GroupStickiness> stickiness;
  // Groups that are not well are passed over while another one is.
  bool fallback = false;

  // Their place in `groups`. `random`: 64 even bits; equal ones draw the same.
  [[nodiscard]] std::size_t draw(std::uint64_t random) const;
  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const;
};

// A group stickiness that names no cookie takes SLUICETG- and sixteen hexadecimal digits of the
// names of listener and rule.
void name_group_cookie(Forward& forward, std::string_view listener, std::string_view rule);

// The request as the placeholders see it. Views: valid for one call of Redirect::location.
struct RedirectInput {
  std::string_view protocol;  // "http" or "https"
  std::string_view host;      // without port, IPv6 in brackets; empty when the client named none
  std::uint16_t port = 0;     // that the client used: of its Host, else of the listener
  std::string_view path;      // normal form, with the leading slash
  std::string_view query;     // without '?', as received
};

// Text with placeholders, cut into pieces when the configuration is read. Expansion puts the pieces
// together in one pass: what a placeholder brings is never read again (T27).
class RedirectTemplate {
 public:
  enum class Placeholder : std::uint8_t { none, protocol, host, port, path, query };
  struct Piece {
    Placeholder placeholder = Placeholder::none;
    std::string literal;  // with Placeholder::none
  };

  explicit RedirectTemplate(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {}
  // Control bytes, spaces and bytes beyond ASCII that a placeholder brings are percent-encoded, so
  // that no request can end the field line. Stops soon after `out` has more than `limit` bytes.
  void append_to(std::string& out, const RedirectInput& input, std::size_t limit) const;
  [[nodiscard]] const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  std::vector<Piece> pieces_;
};

// ALB's redirect: parts that are not set keep the request's value. What differs: 303,
// 307 and 308 are possible, and when the protocol changes while the port is not set, the new
// protocol's default port is used, for the other port speaks the other protocol.
struct Redirect {
  std::uint16_t status = 302;           // 301, 302, 303, 307, 308
  std::optional<std::string> protocol;  // "http" or "https"
  std::optional<std::uint16_t> port;    // 1..65535
  bool keeps_port = false;  // "#{port}" was written: kept even when the protocol changes
  std::optional<RedirectTemplate> host;   // #{host}
  std::optional<RedirectTemplate> path;   // #{host} #{port} #{path}; starts with '/'
  std::optional<RedirectTemplate> query;  // any placeholder; an empty one removes the query

  static constexpr std::size_t location_limit = 8 * 1024;  // bytes

  // The absolute URI for `Location`, without the protocol's default port. Without any host it is a
  // relative reference that begins with one slash. Nothing when it would be over the limit.
  [[nodiscard]] std::optional<std::string> location(const RedirectInput& input) const;
};

struct FixedResponse {
  std::uint16_t status = 200;  // 200..299, 400..599, and 300..399 though ALB has no such
  std::string content_type = "text/plain";
  std::string body_file;  // whose content the body was when the configuration was read; or empty
  // Never null; empty with 204, 205 and 304. Shared with the former configuration when it is equal.
  std::shared_ptr<const std::string> body = std::make_shared<const std::string>();

  static constexpr std::size_t body_limit = 16 * 1024 * 1024;  // bytes; ALB: 1024
};

using Action = std::variant<Forward, Redirect, FixedResponse>;

// `action` is a mapping with one key, the kind. Nothing, with problems recorded, when it is unknown
// or its value is wrong.
[[nodiscard]] std::optional<Action> make_action(const config::Node& action,
                                                const GroupLookup& groups,
                                                config::Problems& problems);

// In the order of the table.
[[nodiscard]] std::vector<std::string_view> action_names();

}  // namespace sluice::route
