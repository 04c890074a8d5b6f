#include <algorithm>

#include "config/readers.h"
#include "sluice/base/cidr.h"
#include "sluice/base/text.h"

namespace sluice::config {
namespace {

// Fields that must never come after the body (RFC 9110 6.5.1; T4): they frame the message, choose
// its way, prove who sent it or say how to read the body, and all that has been decided by then.
constexpr std::string_view never_trailers[] = {
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "retry-after",
    "set-cookie",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "www-authenticate",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
};

// What Sluice says about the client's certificate.
constexpr std::string_view never_trailers_prefix = "x-amzn-mtls-";

void read_trailer(const Node& node, std::vector<std::string>& names, Problems& problems) {
  const auto text = node.as_string(problems);
  if (!text) return;
  std::string name = base::to_lower(*text);
  if (!is_token(name)) {
    node.error("must be the name of a header field, not " + node.quoted(), problems);
  } else if (std::ranges::find(never_trailers, name) != std::end(never_trailers) ||
             name.starts_with(never_trailers_prefix)) {
    node.error(
        node.quoted() +
            " must not arrive after the body (RFC 9110 6.5.1); it cannot be allowed as a trailer",
        problems);
  } else {
    names.push_back(std::move(name));
  }
}

}  // namespace

void read_address_range(const Node& node, std::vector<std::string>& ranges, Problems& problems) {
  const auto text = node.as_string(problems);
  if (!text) return;
  const auto range = base::Cidr::parse(*text);
  if (range) {
    ranges.push_back(range->text());
    return;
  }
  node.error(
      "must be an IP address or a range with all bits after the prefix zero, such as 10.0.0.0/8 or "
      "2001:db8::/32, not " +
          node.quoted(),
      problems);
}

void read_forwarding(const Node& node, Forwarding& forwarding, Problems& problems) {
  Section section(node, problems);
  section.choice("x_forwarded_for", {"append", "preserve", "remove"}, forwarding.forwarded_for);
  section.flag("client_port", forwarding.client_port);
  section.flag("preserve_host", forwarding.preserve_host);
  section.flag("via", forwarding.via);
  for (const Node& item : section.list("trusted_proxies")) {
    read_address_range(item, forwarding.trusted_proxies, problems);
  }
  for (const Node& item : section.list("trailers"))
    read_trailer(item, forwarding.trailers, problems);
}

}  // namespace sluice::config
