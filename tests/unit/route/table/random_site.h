// Random tables and requests over small alphabets, so that they meet often.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "unit/route/route_support.h"

namespace sluice::route::testing {

class RandomSite {
 public:
  explicit RandomSite(std::uint64_t seed) : random_(seed) {}

  // The keys of a listener, for load_listener.
  std::string listener(std::size_t rules) {
    std::string out = "    rules:\n";
    for (std::size_t i = 1; i <= rules; ++i) {
      out +=
          "      - { priority: " + std::to_string(i) + ", action: { forward: api }, conditions: [";
      const std::size_t conditions = 1 + below(3);
      for (std::size_t c = 0; c < conditions; ++c) {
        out += (c > 0 ? ", { " : " { ") + condition(2) + " }";
      }
      out += " ] }\n";
    }
    return out;
  }

  struct Sent {
    std::string host;
    std::string path;
    std::string method;
    std::string query;
    std::string client;
    std::string sni;
    std::vector<std::pair<std::string, std::string>> fields;
    net::ClientCertificate certificate;
    bool has_certificate = false;
  };
  Sent request() {
    Sent sent;
    sent.host = below(8) == 0 ? "" : host();
    if (below(4) == 0 && !sent.host.empty()) sent.host += ":8080";
    sent.path = below(20) == 0 ? "*" : path();
    sent.method = method();
    for (std::size_t i = below(4); i > 0; --i) {
      if (!sent.query.empty()) sent.query += '&';
      sent.query += below(4) == 0 ? word() : word() + "=" + (below(4) == 0 ? "%61" : "") + word();
    }
    sent.client = below(3) == 0
                      ? "2001:db8::" + std::to_string(below(4))
                      : "10." + std::to_string(below(3)) + ".0." + std::to_string(below(4));
    if (below(2) == 0) sent.sni = host();
    for (std::size_t i = below(4); i > 0; --i) {
      if (below(3) == 0) {
        sent.fields.emplace_back("Cookie", word() + "=" + word() + "; " + word() + "=" + word());
      } else {
        sent.fields.emplace_back("X-" + word(), word());
      }
    }
    sent.has_certificate = below(2) == 0;
    sent.certificate.is_verified = below(4) != 0;
    sent.certificate.subject = "CN=" + word();
    sent.certificate.issuer = "CN=" + word();
    sent.certificate.serial = "0" + std::to_string(below(3));
    for (std::size_t i = below(3); i > 0; --i) sent.certificate.dns_names.push_back(host());
    return sent;
  }

  std::size_t below(std::size_t bound) { return random_() % bound; }

 private:
  std::string letter() { return std::string(1, "abAB"[below(4)]); }
  std::string word() {
    std::string out = letter();
    while (below(3) != 0 && out.size() < 4) out += letter();
    return out;
  }
  // A letter may become a wildcard.
  std::string pattern(std::string text) {
    for (char& c : text) {
      if (c == '/' || c == '.' || below(6) != 0) continue;
      c = below(3) == 0 ? '?' : '*';
    }
    return text;
  }
  std::string host() {
    std::string out = word();
    for (std::size_t i = below(3); i > 0; --i) out += "." + word();
    return out;
  }
  std::string path() {
    std::string out = "/" + word();
    for (std::size_t i = below(3); i > 0; --i) out += "/" + word();
    return below(5) == 0 ? out + "/" : out;
  }
  std::string method() { return std::vector<std::string>{"GET", "POST", "PURGE"}[below(3)]; }
  std::string quoted(const std::string& text) { return "'" + text + "'"; }
  std::string list(auto make) {
    std::string out = "[" + quoted(make());
    for (std::size_t i = below(3); i > 0; --i) out += ", " + quoted(make());
    return out + "]";
  }
  std::string expression(const std::string& text) {
    switch (below(7)) {
      case 0: return "^" + text + "$";
      case 1: return text;
      case 2: return "^" + text + "|" + word();
      case 3: return "^" + text + "[ab]?";
      case 4: return "^(" + text + "|" + word() + ")$";
      case 5: return "^" + text + "*";
      default: return text + "$";
    }
  }

  std::string condition(unsigned depth) {
    const auto words = [&] { return pattern(word()); };
    switch (below(depth > 0 ? 15 : 13)) {
      case 0: return "host: " + list([&] { return pattern(host()); });
      case 1: return "host: { regex: " + quoted(expression(word())) + " }";
      case 2: return "path: " + list([&] { return pattern(path()); });
      case 3: return "path_prefix: " + list([&] { return below(9) == 0 ? "/" : path(); });
      case 4: return "path_regex: " + list([&] { return expression(path()); });
      case 5: return "method: " + list([&] { return method(); });
      case 6:
        return "header: { name: x-" + word() +
               (below(4) == 0   ? ""
                : below(4) == 0 ? ", regex: " + quoted(expression(word()))
                                : ", values: " + list(words)) +
               " }";
      case 7:
        return "query: [ { key: " + quoted(below(4) == 0 ? pattern(word()) : word()) +
               (below(4) == 0 ? "" : ", value: " + quoted(words())) + " } ]";
      case 8: return "query: [ { value: " + quoted(words()) + " }, { key: " + word() + " } ]";
      case 9:
        return "cookie: { name: " + word() + (below(4) == 0 ? "" : ", values: " + list(words)) +
               " }";
      case 10:
        return "source_ip: " + list([&] {
                 const std::vector<std::string> ranges{
                     "10.0.0.0/8", "10.1.0.0/16",   "10.0.0.2/31", "10.2.0.1",
                     "0.0.0.0/0",  "2001:db8::/32", "2001:db8::2", "::/0"};
                 return ranges[below(ranges.size())];
               });
      case 11: return "sni: " + list([&] { return pattern(host()); });
      case 12: {
        switch (below(4)) {
          case 0: return "client_certificate: { subject: 'CN=" + words() + "' }";
          case 1: return "client_certificate: { issuer: '*" + words() + "', dns: '*' }";
          case 2: return "client_certificate: { serial: '0?' }";
          default: return "client_certificate: { dns: " + quoted(pattern(host())) + " }";
        }
      }
      case 13: return "not: { " + condition(depth - 1) + " }";
      default: return "any: [ { " + condition(depth - 1) + " }, { " + condition(depth - 1) + " } ]";
    }
  }

  std::mt19937_64 random_;
};

// The views into `sent`, which outlives it.
struct Presented {
  explicit Presented(const RandomSite::Sent& sent) {
    head.host = sent.host;
    head.path = sent.path;
    head.method_text = sent.method;
    head.query = sent.query;
    head.has_query = !sent.query.empty();
    for (const auto& [name, value] : sent.fields) head.fields.add(name, value);
    input.client = base::IpAddress::parse(sent.client).value();
    input.sni = sent.sni;
    if (sent.has_certificate) input.client_certificate = &sent.certificate;
  }
  Presented(const Presented&) = delete;
  Presented& operator=(const Presented&) = delete;

  http::RequestHead head;
  MatchInput input{.head = head};
};

}  // namespace sluice::route::testing
