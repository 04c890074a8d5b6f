// Messages of the DNS made by hand, and a server that answers when and as the test says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/net/dns_message.h"
#include "sluice/net/endpoint.h"
#include "support/peer.h"

namespace sluice::support {

// "a.b" with its length bytes and the final zero.
[[nodiscard]] std::string dns_name(std::string_view name);
[[nodiscard]] std::string dns_number(std::uint16_t number);  // two bytes
// The data of records.
[[nodiscard]] std::string dns_address(std::string_view address);  // A or AAAA
[[nodiscard]] std::string dns_service(std::uint16_t priority, std::uint16_t weight,
                                      std::uint16_t port, std::string_view target);

class DnsMessage {
 public:
  static constexpr std::uint16_t a = 1, cname = 5, soa = 6, aaaa = 28, srv = 33;

  // An answer to the question, with nothing in it yet.
  DnsMessage(std::string_view name, net::DnsType type, std::uint16_t id = 0);

  DnsMessage& code(unsigned code);
  DnsMessage& truncated();
  // Order: answers, authorities, additionals.
  DnsMessage& answer(std::string_view name, std::uint16_t type, std::uint32_t ttl,
                     std::string_view data);
  DnsMessage& authority(std::string_view name, std::uint16_t type, std::uint32_t ttl,
                        std::string_view data);
  DnsMessage& additional(std::string_view name, std::uint16_t type, std::uint32_t ttl,
                         std::string_view data);
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  DnsMessage& record(std::size_t count_at, std::string_view name, std::uint16_t type,
                     std::uint32_t ttl, std::string_view data);
  std::string bytes_;
};

struct DnsQuestion {
  std::string name;
  net::DnsType type{};
  std::uint16_t id = 0;
  bool over_tcp = false;

  [[nodiscard]] DnsMessage reply() const { return {name, type, id}; }
};

// UDP and TCP on one free port of 127.0.0.1. Does nothing by itself.
class DnsPeer {
 public:
  DnsPeer();
  [[nodiscard]] const net::Endpoint& endpoint() const { return tcp_.endpoint(); }
  // True: there is one that was not there before, and `question` is it.
  [[nodiscard]] bool has_question();
  [[nodiscard]] const DnsQuestion& question() const { return question_; }
  [[nodiscard]] std::size_t questions() const { return questions_; }  // in all
  // From now on this one answers the last question of another, from its own socket.
  void imitate(const DnsPeer& other) {
    asker_ = other.asker_;
    question_ = other.question_;
  }
  // To whoever asked the last one, in the way it was asked.
  void send(std::string_view message);

 private:
  bool take(std::string_view bytes, bool over_tcp);

  Server tcp_;
  net::OwnedFd udp_;
  std::optional<Peer> connection_;
  net::Endpoint asker_;
  DnsQuestion question_;
  std::size_t questions_ = 0;
};

}  // namespace sluice::support
