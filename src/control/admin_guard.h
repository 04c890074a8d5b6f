// Refuses admin requests that a web page may have made a browser send (T24).
//
// A listener on loopback is out of reach of other machines, but not of pages from anywhere in
// a browser on this one. Two ways lead there: a name of the attacker's that resolves to 127.0.0.1
// (DNS rebinding), which shows in Host; and a request across origins, which shows in Origin and
// Sec-Fetch-Site. No page can set these three itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/cidr.h"

namespace sluice::control {

// 127.0.0.0/8 and ::1: where the admin listener may be, and what Host may name.
[[nodiscard]] bool is_loopback(const base::IpAddress& address);

// The values as received, one element for each line of the field.
struct AdminRequestSource {
  std::vector<std::string_view> host;  // or the authority of a target in absolute form
  std::vector<std::string_view> origin;
  std::vector<std::string_view> fetch_site;
  bool is_unix_socket = false;  // no browser gets there: any Host will do
  // The listener is on an address that others reach, by whatever name, and every call needs
  // a token, which no browser adds by itself.
  bool is_public = false;
};

// Why the request is refused, for its problem's detail; empty when it may pass.
[[nodiscard]] std::string forgery_in(const AdminRequestSource& source);

}  // namespace sluice::control
