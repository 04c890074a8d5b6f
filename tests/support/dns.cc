#include "support/dns.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "sluice/base/cidr.h"

namespace sluice::support {
namespace {

std::uint16_t number_at(std::string_view bytes, std::size_t at) {
  const auto high = static_cast<unsigned char>(bytes.at(at));
  return static_cast<std::uint16_t>(high << 8U | static_cast<unsigned char>(bytes.at(at + 1)));
}

void set_number(std::string& bytes, std::size_t at, std::uint16_t number) {
  bytes.replace(at, 2, dns_number(number));
}

std::string long_number(std::uint32_t number) {
  return dns_number(static_cast<std::uint16_t>(number >> 16U)) +
         dns_number(static_cast<std::uint16_t>(number & 0xffffU));
}

}  // namespace

std::string dns_number(std::uint16_t number) {
  return {static_cast<char>(number >> 8U), static_cast<char>(number & 0xffU)};
}

std::string dns_name(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    out += static_cast<char>(label.size());
    out += label;
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  out += '\0';
  return out;
}

std::string dns_address(std::string_view address) {
  const auto parsed = base::IpAddress::parse(address).value();
  const auto bytes = parsed.bytes();
  return {bytes.begin(), bytes.end()};
}

std::string dns_service(std::uint16_t priority, std::uint16_t weight, std::uint16_t port,
                        std::string_view target) {
  return dns_number(priority) + dns_number(weight) + dns_number(port) + dns_name(target);
}

DnsMessage::DnsMessage(std::string_view name, net::DnsType type, std::uint16_t id)
    : bytes_(dns_number(id) + dns_number(0x8180) + dns_number(1) + dns_number(0) + dns_number(0) +
             dns_number(0) + dns_name(name) + dns_number(static_cast<std::uint16_t>(type)) +
             dns_number(1)) {}

DnsMessage& DnsMessage::code(unsigned code) {
  set_number(bytes_, 2, static_cast<std::uint16_t>(number_at(bytes_, 2) | code));
  return *this;
}

DnsMessage& DnsMessage::truncated() { return code(0x0200); }

DnsMessage& DnsMessage::record(std::size_t count_at, std::string_view name, std::uint16_t type,
                               std::uint32_t ttl, std::string_view data) {
  set_number(bytes_, count_at, static_cast<std::uint16_t>(number_at(bytes_, count_at) + 1));
  bytes_ += dns_name(name) + dns_number(type) + dns_number(1) + long_number(ttl) +
            dns_number(static_cast<std::uint16_t>(data.size()));
  bytes_ += data;
  return *this;
}

DnsMessage& DnsMessage::answer(std::string_view name, std::uint16_t type, std::uint32_t ttl,
                               std::string_view data) {
  return record(6, name, type, ttl, data);
}

DnsMessage& DnsMessage::authority(std::string_view name, std::uint16_t type, std::uint32_t ttl,
                                  std::string_view data) {
  return record(8, name, type, ttl, data);
}

DnsMessage& DnsMessage::additional(std::string_view name, std::uint16_t type, std::uint32_t ttl,
                                   std::string_view data) {
  return record(10, name, type, ttl, data);
}

DnsPeer::DnsPeer() : udp_(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
  EXPECT_EQ(::bind(udp_.get(), endpoint().data(), endpoint().size()), 0);
}

bool DnsPeer::has_question() {
  std::array<char, 4096> buffer{};
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  const auto received = ::recvfrom(udp_.get(), buffer.data(), buffer.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &size);
  if (received > 0) {
    asker_ = net::Endpoint::from(reinterpret_cast<const sockaddr*>(&from), size);
    return take({buffer.data(), static_cast<std::size_t>(received)}, false);
  }
  if (auto connection = tcp_.accept()) connection_.emplace(std::move(*connection));
  if (!connection_) return false;
  const std::string& bytes = connection_->received();
  if (bytes.size() < 2 || bytes.size() < 2U + number_at(bytes, 0)) return false;
  const std::string message = bytes.substr(2);
  connection_->forget();
  return take(message, true);
}

bool DnsPeer::take(std::string_view bytes, bool over_tcp) {
  question_ = {};
  question_.id = number_at(bytes, 0);
  question_.over_tcp = over_tcp;
  std::size_t at = 12;
  while (const auto length = static_cast<unsigned char>(bytes.at(at))) {
    if (!question_.name.empty()) question_.name += '.';
    question_.name += bytes.substr(at + 1, length);
    at += 1U + length;
  }
  question_.type = static_cast<net::DnsType>(number_at(bytes, at + 1));
  ++questions_;
  return true;
}

void DnsPeer::send(std::string_view message) {
  if (question_.over_tcp) {
    connection_->send(dns_number(static_cast<std::uint16_t>(message.size())) +
                      std::string(message));
    return;
  }
  EXPECT_EQ(::sendto(udp_.get(), message.data(), message.size(), 0, asker_.data(), asker_.size()),
            static_cast<ssize_t>(message.size()));
}

}  // namespace sluice::support
