#include "proxy/client_certificate.h"

#include <chrono>
#include <ctime>

#include "sluice/base/text.h"

namespace sluice::proxy {
namespace {

bool stays_as_it_is(char c) {
  const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  // RFC 3986 2.3, and what ALB leaves alone in PEM.
  return is_letter || (c >= '0' && c <= '9') ||
         std::string_view("-._~+=/").find(c) != std::string_view::npos;
}

void append_encoded(std::string& out, std::string_view pem) {
  out.reserve(out.size() + pem.size() + pem.size() / 8);
  for (const char c : pem) {
    if (stays_as_it_is(c)) {
      out += c;
      continue;
    }
    base::append_percent_encoded(out, c);
  }
}

std::string time_text(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm utc{};
  char text[32];
  ::gmtime_r(&seconds, &utc);
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

void append_line(std::string& out, std::string_view name, std::string_view value) {
  out.append("X-Amzn-Mtls-Clientcert").append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::string make_client_certificate_fields(const net::ClientCertificate& certificate) {
  std::string fields;
  std::string pem;
  if (!certificate.is_verified) {
    append_encoded(pem, certificate.chain_pem);
    append_line(fields, "", pem);
    return fields;
  }
  append_line(fields, "-Serial-Number", certificate.serial);
  append_line(fields, "-Issuer", certificate.issuer);
  append_line(fields, "-Subject", certificate.subject);
  append_line(fields, "-Validity",
              "NotBefore=" + time_text(certificate.not_before) +
                  ";NotAfter=" + time_text(certificate.not_after));
  append_encoded(pem, certificate.leaf_pem);
  append_line(fields, "-Leaf", pem);
  return fields;
}

}  // namespace sluice::proxy
