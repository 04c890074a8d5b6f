// Questions to DNS servers, over UDP, and over TCP when the answer does not fit (RFC 1035 4.2).
//
// Nothing blocks: c-ares speaks the protocol, its sockets are watched by the loop, the time is
// ours. Each question to each server has a socket, a port and an id of its own, random, so that
// nobody can answer who does not see it (T22). Names are asked for as they are: no search domains,
// no hosts file. Thread of the loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "sluice/net/dns_message.h"
#include "sluice/net/endpoint.h"
#include "sluice/net/loop.h"
#include "sluice/net/task.h"

namespace sluice::net {

// No more servers than that are asked.
inline constexpr std::size_t dns_servers_max = 8;

// Those of the system; 127.0.0.1:53 when the file names none, or is not there. Reads the file.
[[nodiscard]] std::vector<Endpoint> system_dns_servers(const char* file = "/etc/resolv.conf");

class DnsResolver {
 public:
  // IPv4 or IPv6 with a port. None: those of the system, read anew for each question. Outlived by
  // the loop.
  DnsResolver(Loop& loop, std::vector<Endpoint> servers);

  // `name` as is_dns_name has it. Servers are asked one after the other, the one that answered last
  // first, until one knows: an answer with an error of its own (SERVFAIL, REFUSED) leads to the
  // next one, and those that stayed silent are asked a second time. `timeout` bounds all of it,
  // within a tick; it is shared evenly by the tries that are left. The error names each server with
  // what it did. Destroying the task gives it up.
  [[nodiscard]] Task<DnsAnswer> ask(std::string name, DnsType type,
                                    std::chrono::milliseconds timeout);

 private:
  [[nodiscard]] std::vector<Endpoint> servers() const;

  Loop& loop_;
  std::vector<Endpoint> servers_;
  Endpoint answered_last_;
};

}  // namespace sluice::net
