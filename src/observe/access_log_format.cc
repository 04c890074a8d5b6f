#include "observe/access_log_format.h"

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sluice::observe {
namespace {

// --- escaping -----------------------------------------------------------------------------------

enum class Style : std::uint8_t { json, combined };

// Whatever is not printable ASCII, and the two characters that mean something inside quotes.
constexpr auto must_escape = [] {
  std::array<bool, 256> result{};
  for (std::size_t byte = 0; byte < result.size(); ++byte) {
    result[byte] = byte < 0x20 || byte >= 0x7f || byte == '"' || byte == '\\';
  }
  return result;
}();

constexpr std::uint64_t in_each_byte(std::uint8_t value) { return value * 0x0101010101010101ULL; }

// The same question for eight bytes at once: a bit of the result is set when one of them needs it.
// ("x - n borrows" finds bytes below n, "x ^ c" makes bytes equal to c zero; Hacker's Delight 6-1.)
constexpr bool any_must_escape(std::uint64_t word) {
  const std::uint64_t below_space = (word - in_each_byte(0x20)) & ~word;
  const std::uint64_t delete_or_above = word | (word + in_each_byte(0x01));
  const std::uint64_t quote = word ^ in_each_byte('"');
  const std::uint64_t backslash = word ^ in_each_byte('\\');
  const std::uint64_t equal =
      ((quote - in_each_byte(1)) & ~quote) | ((backslash - in_each_byte(1)) & ~backslash);
  return ((below_space | delete_or_above | equal) & in_each_byte(0x80)) != 0;
}

template <typename Word>
Word load(const char* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

char* append_text(char* out, std::string_view text) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

template <Style style>
char* append_escape(char* out, char c) {
  constexpr std::string_view digits =
      style == Style::json ? "0123456789abcdef" : "0123456789ABCDEF";
  const auto byte = static_cast<std::uint8_t>(c);
  *out++ = '\\';
  if constexpr (style == Style::json) {
    if (c == '"' || c == '\\') {
      *out++ = c;
      return out;
    }
    out = append_text(out, "u00");
  } else {
    *out++ = 'x';
  }
  *out++ = digits[byte >> 4];
  *out++ = digits[byte & 0x0f];
  return out;
}

template <Style style>
char* append_byte_by_byte(char* out, const char* from, const char* end) {
  for (; from != end; ++from) {
    if (must_escape[static_cast<std::uint8_t>(*from)]) [[unlikely]] {
      out = append_escape<style>(out, *from);
    } else {
      *out++ = *from;
    }
  }
  return out;
}

// Nearly all values need no escape: they are copied in words; the first word that does ends that.
template <Style style>
char* append_escaped(char* out, std::string_view text) {
  const char* from = text.data();
  const char* const end = from + text.size();
  if (text.size() >= 8) {
    for (; end - from >= 8; from += 8, out += 8) {
      const auto word = load<std::uint64_t>(from);
      if (any_must_escape(word)) return append_byte_by_byte<style>(out, from, end);
      std::memcpy(out, &word, 8);
    }
    // The rest as the last eight bytes of all, of which some were copied already.
    const auto word = load<std::uint64_t>(end - 8);
    if (any_must_escape(word)) return append_byte_by_byte<style>(out, from, end);
    const auto rest = end - from;
    std::memcpy(out + rest - 8, &word, 8);
    return out + rest;
  }
  if (text.size() >= 4) {
    const auto first = load<std::uint32_t>(from);
    const auto last = load<std::uint32_t>(end - 4);
    if (any_must_escape(std::uint64_t{first} << 32 | last)) {
      return append_byte_by_byte<style>(out, from, end);
    }
    std::memcpy(out, &first, 4);
    std::memcpy(out + text.size() - 4, &last, 4);
    return out + text.size();
  }
  return append_byte_by_byte<style>(out, from, end);
}

template <Style style>
char* append_cut(char* out, std::string_view text, std::size_t most) {
  if (text.size() <= most) return append_escaped<style>(out, text);
  return append_text(append_escaped<style>(out, text.substr(0, most)), "...");
}

// --- numbers and times --------------------------------------------------------------------------

char* append_number(char* out, std::uint64_t value) {
  return std::to_chars(out, out + 20, value).ptr;
}

constexpr auto two_digits = [] {
  std::array<char, 200> result{};
  for (std::size_t i = 0; i < 100; ++i) {
    result[2 * i] = static_cast<char>('0' + i / 10);
    result[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return result;
}();

// `value` below 100.
char* append_two_digits(char* out, std::uint32_t value) {
  std::memcpy(out, two_digits.data() + std::size_t{2} * value, 2);
  return out + 2;
}

// `value` below a million.
char* append_six_digits(char* out, std::uint32_t value) {
  out = append_two_digits(out, value / 10'000);
  out = append_two_digits(out, value / 100 % 100);
  return append_two_digits(out, value % 100);
}

// The parts of a line that both formats have; keeps the place of the next byte.
class Line {
 public:
  explicit Line(char* out) : out_(out) {}

  template <std::size_t size>
  void raw(const char (&literal)[size]) {
    std::memcpy(out_, literal, size - 1);
    out_ += size - 1;
  }
  template <std::size_t size>
  void raw(const std::array<char, size>& text) {
    std::memcpy(out_, text.data(), size);
    out_ += size;
  }
  void number(std::uint64_t value) { out_ = append_number(out_, value); }
  void six_digits(std::uint32_t value) { out_ = append_six_digits(out_, value); }
  template <Style style>
  void escaped(std::string_view text, std::size_t most = value_most) {
    out_ = append_cut<style>(out_, text, most);
  }
  [[nodiscard]] char* end() const { return out_; }

 private:
  char* out_;
};

class JsonLine : public Line {
 public:
  using Line::Line;

  // A string, or null when it is empty.
  void text(std::string_view value, std::size_t most = value_most) {
    if (value.empty()) return raw("null");
    raw("\"");
    escaped<Style::json>(value, most);
    raw("\"");
  }

  void status(std::uint16_t value) {
    if (value == 0) return raw("null");
    number(value);
  }

  void boolean(bool value) {
    if (value) return raw("true");
    raw("false");
  }

  // A text of our own tables: nothing to escape; "-" means none.
  void name(std::string_view value) { text(value == "-" ? std::string_view{} : value); }

  // Seconds with six decimals, rounded down; null below zero.
  void seconds(std::chrono::nanoseconds duration) {
    if (duration < std::chrono::nanoseconds::zero()) return raw("null");
    const auto microseconds = static_cast<std::uint64_t>(duration.count()) / 1000;
    number(microseconds / 1'000'000);
    raw(".");
    six_digits(static_cast<std::uint32_t>(microseconds % 1'000'000));
  }

  // "192.0.2.1:4711", "[2001:db8::1]:4711"; without a port (Unix sockets) the address alone.
  void endpoint(std::string_view address, std::uint16_t port) {
    if (address.empty()) return raw("null");
    const bool bracketed = port != 0 && address.find(':') != std::string_view::npos;
    raw("\"");
    if (bracketed) raw("[");
    escaped<Style::json>(address);
    if (bracketed) raw("]");
    if (port != 0) {
      raw(":");
      number(port);
    }
    raw("\"");
  }
};

class CombinedLine : public Line {
 public:
  using Line::Line;

  void text(std::string_view value, std::size_t most = value_most) {
    if (value.empty()) return raw("-");
    escaped<Style::combined>(value, most);
  }

  // A space would end the field for those who read it, and "-" is nobody.
  void user(std::string_view value) {
    if (value.empty()) return raw("-");
    if (value == "-") return raw("\\x2D");
    for (std::string_view rest = value.substr(0, value_most);;) {
      const std::size_t space = rest.find(' ');
      escaped<Style::combined>(rest.substr(0, space));
      if (space == std::string_view::npos) return;
      raw("\\x20");
      rest.remove_prefix(space + 1);
    }
  }

  // METHOD target PROTOCOL; "-" when the request line was not understood.
  void request_line(const AccessRecord& record) {
    if (record.method.empty()) return raw("-");
    escaped<Style::combined>(record.method);
    raw(" ");
    text(record.target, target_most);
    if (record.protocol.empty()) return;
    raw(" ");
    escaped<Style::combined>(record.protocol);
  }

  // Always three digits, for the programs that read this format expect them.
  void status(std::uint16_t value) {
    if (value == 0) return raw("000");
    number(value);
  }
};

void append_proxy_facts(JsonLine& line, const ProxyFacts& facts) {
  const auto field = [&line](const auto& name, std::string_view value) {
    if (value.empty()) return;
    line.raw(name);
    line.text(value);
  };
  field(R"(,"proxy_authority":)", facts.authority);
  field(R"(,"proxy_unique_id":)", facts.unique_id);
  field(R"(,"proxy_alpn":)", facts.alpn);
  if (facts.tls_verified.has_value()) {
    line.raw(R"(,"proxy_tls_verified":)");
    line.boolean(*facts.tls_verified);
  }
  field(R"(,"proxy_tls_common_name":)", facts.tls_common_name);
  field(R"(,"proxy_vpc_endpoint":)", facts.vpc_endpoint);
}

}  // namespace

char* LineFormatter::json(const AccessRecord& record, char* out) {
  const auto second = std::chrono::floor<std::chrono::seconds>(record.time);
  if (second != second_) format_second(second);
  const auto microsecond =
      std::chrono::duration_cast<std::chrono::microseconds>(record.time - second).count();

  JsonLine line(out);
  line.raw(R"({"time":")");
  line.raw(rfc3339_);
  line.raw(".");
  line.six_digits(static_cast<std::uint32_t>(microsecond));
  line.raw(R"(Z","listener":)");
  line.text(record.listener);
  line.raw(R"(,"client":)");
  line.endpoint(record.client_address, record.client_port);
  line.raw(R"(,"scheme":)");
  line.text(record.scheme);
  line.raw(R"(,"method":)");
  line.text(record.method);
  line.raw(R"(,"host":)");
  line.text(record.host, host_most);
  line.raw(R"(,"target":)");
  line.text(record.target, target_most);
  line.raw(R"(,"protocol":)");
  line.text(record.protocol);
  line.raw(R"(,"status":)");
  line.status(record.status);
  line.raw(R"(,"request_bytes":)");
  line.number(record.request_bytes);
  line.raw(R"(,"response_bytes":)");
  line.number(record.response_bytes);
  line.raw(R"(,"rule":)");
  line.text(record.rule);
  line.raw(R"(,"target_group":)");
  line.text(record.target_group);
  line.raw(R"(,"target_address":)");
  line.text(record.target_address);
  line.raw(R"(,"target_status":)");
  line.status(record.target_status);
  line.raw(R"(,"tries":)");
  line.number(record.tries);
  line.raw(R"(,"reused":)");
  line.boolean(record.target_connection_reused);
  line.raw(R"(,"reason":)");
  line.name(text(record.reason));
  line.raw(R"(,"ended_by":)");
  line.name(text(side_of(record.reason)));
  line.raw(R"(,"classification":)");
  line.name(record.classification);
  line.raw(R"(,"classification_reason":)");
  line.name(record.classification_reason);
  line.raw(R"(,"request_id":)");
  line.text(record.request_id);
  line.raw(R"(,"user_agent":)");
  line.text(record.user_agent, user_agent_most);
  line.raw(R"(,"referer":)");
  line.text(record.referer, referer_most);
  line.raw(R"(,"tls_protocol":)");
  line.text(record.tls_protocol);
  line.raw(R"(,"tls_cipher":)");
  line.text(record.tls_cipher);
  line.raw(R"(,"sni":)");
  line.text(record.sni);
  line.raw(R"(,"header_time":)");
  line.seconds(record.header_time);
  line.raw(R"(,"connect_time":)");
  line.seconds(record.connect_time);
  line.raw(R"(,"response_time":)");
  line.seconds(record.response_time);
  line.raw(R"(,"total_time":)");
  line.seconds(record.total_time);
  if (!record.user.empty()) {
    line.raw(R"(,"user":)");
    line.text(record.user);
  }
  if (record.proxy != nullptr) append_proxy_facts(line, *record.proxy);
  line.raw("}\n");
  return line.end();
}

char* LineFormatter::combined(const AccessRecord& record, char* out) {
  const auto second = std::chrono::floor<std::chrono::seconds>(record.time);
  if (second != second_) format_second(second);

  CombinedLine line(out);
  line.text(record.client_address);
  line.raw(" - ");
  line.user(record.user);
  line.raw(" [");
  line.raw(clf_);
  line.raw(" +0000] \"");
  line.request_line(record);
  line.raw("\" ");
  line.status(record.status);
  line.raw(" ");
  line.number(record.response_bytes);
  line.raw(" \"");
  line.text(record.referer, referer_most);
  line.raw("\" \"");
  line.text(record.user_agent, user_agent_most);
  line.raw("\"\n");
  return line.end();
}

// Years 0000 to 9999, as RFC 3339 has them.
void LineFormatter::format_second(std::chrono::sys_seconds second) {
  constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const auto day = std::chrono::floor<std::chrono::days>(second);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(second - day);
  const auto year = static_cast<std::uint32_t>(static_cast<int>(date.year()));
  const auto month = static_cast<std::uint32_t>(static_cast<unsigned>(date.month()));
  const auto day_of_month = static_cast<std::uint32_t>(static_cast<unsigned>(date.day()));

  char clock[8];
  char* out = append_two_digits(clock, static_cast<std::uint32_t>(time.hours().count()));
  *out++ = ':';
  out = append_two_digits(out, static_cast<std::uint32_t>(time.minutes().count()));
  *out++ = ':';
  append_two_digits(out, static_cast<std::uint32_t>(time.seconds().count()));

  out = append_two_digits(rfc3339_.data(), year / 100 % 100);
  out = append_two_digits(out, year % 100);
  *out++ = '-';
  out = append_two_digits(out, month);
  *out++ = '-';
  out = append_two_digits(out, day_of_month);
  *out++ = 'T';
  std::memcpy(out, clock, sizeof clock);

  out = append_two_digits(clf_.data(), day_of_month);
  *out++ = '/';
  std::memcpy(out, months.data() + 3 * (std::size_t{month} - 1), 3);
  out += 3;
  *out++ = '/';
  out = append_two_digits(out, year / 100 % 100);
  out = append_two_digits(out, year % 100);
  *out++ = ':';
  std::memcpy(out, clock, sizeof clock);
  second_ = second;
}

}  // namespace sluice::observe
