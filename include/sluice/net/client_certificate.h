// What a client's certificate says, for header fields, conditions and logs.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace sluice::net {

// Facts of one connection: made when they are first asked for, never changed. Every text is
// printable ASCII (the PEM ones with line feeds).
struct ClientCertificate {
  // Names of RFC 2253: the most particular part first, everything outside ASCII escaped.
  std::string subject;
  std::string issuer;
  std::string serial;  // hexadecimal, upper case, two digits to a byte
  // The DNS names among its alternative names, in its order; of many the first
  // `dns_names_max`. None that holds other bytes than a name on the wire.
  std::vector<std::string> dns_names;
  static constexpr std::size_t dns_names_max = 100;
  std::chrono::system_clock::time_point not_before;
  std::chrono::system_clock::time_point not_after;
  std::string leaf_pem;
  // The leaf and what the client sent after it. After a resumption the leaf alone: tickets hold no
  // more.
  std::string chain_pem;
  // It was verified against the listener's trust store: mode `verify`. Otherwise nobody vouches for
  // a word of it, but that the client has its private key.
  bool is_verified = false;
};

}  // namespace sluice::net
