#include "sluice/net/tls_context.h"

#include <string>
#include <string_view>
#include <system_error>

#include "net/tls_openssl.h"

namespace sluice::net {
namespace {

constexpr std::size_t longest_text = 512;

std::string reason_text(unsigned long error) {
  // errno values travel in the queue too, without a text in OpenSSL's own tables.
  if (ERR_SYSTEM_ERROR(error)) return std::generic_category().message(ERR_GET_REASON(error));
  if (const char* reason = ERR_reason_error_string(error)) return reason;
  char code[128];
  ERR_error_string_n(error, code, sizeof code);
  return code;
}

void append(std::string& text, std::string_view more) {
  if (more.empty()) return;
  if (!text.empty()) text += "; ";
  text += more;
}

// For one line of a log: what came in with file names or from a peer cannot start a line of its
// own.
std::string printable(std::string text) {
  if (text.size() > longest_text) {
    text.resize(longest_text - 3);
    text += "...";
  }
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text;
}

std::string drain_queue() {
  std::string text;
  std::string previous;
  const char* data = nullptr;
  int flags = 0;
  while (const unsigned long error = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) {
    if (text.size() > longest_text) continue;  // to its end all the same: the queue must be empty
    std::string reason = reason_text(error);
    if ((flags & ERR_TXT_STRING) != 0 && data != nullptr && *data != '\0') {
      reason.append(" (").append(data).append(")");
    }
    if (reason == previous) continue;  // each layer of OpenSSL repeats what the one below said
    append(text, reason);
    previous = std::move(reason);
  }
  return text;
}

}  // namespace

void SslDeleter::operator()(ssl_st* ssl) const { SSL_free(ssl); }

std::string tls_error_text() {
  std::string text = drain_queue();
  return text.empty() ? "no reason given by OpenSSL" : printable(std::move(text));
}

std::string tls_error_text(const ssl_st& session) {
  std::string text = drain_queue();
  // Without SSL_VERIFY_PEER the result is computed too, but refuses nobody.
  const long verified = SSL_get_verify_result(&session);
  if (verified != X509_V_OK && (SSL_get_verify_mode(&session) & SSL_VERIFY_PEER) != 0) {
    append(text, X509_verify_cert_error_string(verified));
  }
  return text.empty() ? "no reason given by OpenSSL" : printable(std::move(text));
}

}  // namespace sluice::net
