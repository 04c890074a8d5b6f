#include "sluice/net/dns_message.h"

#include <algorithm>
#include <array>
#include <span>

#include "sluice/base/text.h"

namespace sluice::net {
namespace {

constexpr std::uint16_t type_cname = 5;
constexpr std::uint16_t class_internet = 1;
constexpr std::size_t name_text_max = 253;  // RFC 1035 2.3.4, without the length bytes of both ends
constexpr int pointers_max = 127;           // more labels than that no name has

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// Reads forwards; what is not there reads as zero, and `is_broken` from then on.
class Reader {
 public:
  explicit Reader(base::Bytes message) : message_(message) {}

  [[nodiscard]] bool is_broken() const { return is_broken_; }
  [[nodiscard]] std::size_t position() const { return position_; }
  void go_to(std::size_t position) {
    if (position > message_.size()) fail();
    position_ = std::min(position, message_.size());
  }
  void fail() { is_broken_ = true; }

  std::uint8_t byte() {
    if (position_ >= message_.size()) {
      fail();
      return 0;
    }
    return static_cast<std::uint8_t>(message_[position_++]);
  }
  std::uint16_t short_number() {
    const unsigned high = byte();
    return static_cast<std::uint16_t>(high << 8U | byte());
  }
  std::uint32_t number() {
    const std::uint32_t high = short_number();
    return high << 16U | short_number();
  }

  // In lower case, labels with dots between; bytes that no host name has become '?', so that such a
  // name equals none that is asked for. A compressed name (RFC 1035 4.1.4) goes on further back
  // each time, so it ends.
  std::string name() {
    std::string out;
    std::size_t after = 0;  // where the record goes on, once a pointer was followed
    std::size_t start = position_;
    for (int pointers = 0; !is_broken_;) {
      const std::uint8_t length = byte();
      if (is_broken_ || length == 0) break;
      if ((length & 0xc0U) == 0xc0U) {
        const std::size_t to = (length & 0x3fU) << 8U | byte();
        if (after == 0) after = position_;
        if (to >= start || ++pointers > pointers_max) fail();
        start = to;
        go_to(to);
      } else if (length > 63) {
        fail();
      } else {
        append_label(length, out);
      }
    }
    if (after != 0) position_ = after;
    return out;
  }

  // IPv4 or IPv6, from the bytes of a record.
  template <std::size_t size>
  base::IpAddress address() {
    std::array<std::uint8_t, size> bytes{};
    for (std::uint8_t& one : bytes) one = byte();
    return base::IpAddress::from_bytes(bytes).value_or(base::IpAddress{});
  }

 private:
  void append_label(std::size_t length, std::string& out) {
    if (!out.empty()) out += '.';
    if (out.size() + length > name_text_max) fail();
    for (std::size_t i = 0; i < length && !is_broken_; ++i) {
      const char c = base::lower(static_cast<char>(byte()));
      out += is_name_byte(c) ? c : '?';
    }
  }

  base::Bytes message_;
  std::size_t position_ = 0;
  bool is_broken_ = false;
};

struct Header {
  std::uint16_t flags = 0;
  std::uint16_t questions = 0;
  std::uint16_t answers = 0;
  std::uint16_t authorities = 0;
  std::uint16_t additionals = 0;

  [[nodiscard]] bool is_answer() const { return (flags & 0xf800U) == 0x8000U; }  // of a QUERY
  [[nodiscard]] bool is_truncated() const { return (flags & 0x0200U) != 0; }
  [[nodiscard]] unsigned code() const { return flags & 0x000fU; }
};

Header read_header(Reader& reader) {
  Header header;
  reader.short_number();  // the id: who asked has compared it
  header.flags = reader.short_number();
  header.questions = reader.short_number();
  header.answers = reader.short_number();
  header.authorities = reader.short_number();
  header.additionals = reader.short_number();
  return header;
}

struct Record {
  std::string owner;
  std::uint16_t type = 0;
  std::uint16_t record_class = 0;
  std::uint32_t ttl = 0;
  std::size_t data = 0;  // where it begins
  std::size_t size = 0;

  [[nodiscard]] bool is_of(std::uint16_t wanted) const {
    return type == wanted && record_class == class_internet;
  }
  [[nodiscard]] bool is_of(DnsType wanted) const {
    return is_of(static_cast<std::uint16_t>(wanted));
  }
};

Record read_record(Reader& reader) {
  Record record;
  record.owner = reader.name();
  record.type = reader.short_number();
  record.record_class = reader.short_number();
  record.ttl = reader.number();
  // RFC 2181 8: with the highest bit it means zero.
  if (record.ttl > 0x7fffffffU) record.ttl = 0;
  record.size = reader.short_number();
  record.data = reader.position();
  reader.go_to(record.data + record.size);
  return record;
}

struct Alias {
  std::string owner;
  std::string target;
  std::uint32_t ttl = 0;
};

std::string text_of_code(unsigned code) {
  constexpr std::array<std::string_view, 6> names{"NOERROR",  "FORMERR", "SERVFAIL",
                                                  "NXDOMAIN", "NOTIMP",  "REFUSED"};
  return code < names.size() ? std::string(names[code]) : "the code " + std::to_string(code);
}

class AnswerParser {
 public:
  AnswerParser(base::Bytes message, std::string_view name, DnsType type)
      : message_(message), reader_(message), name_(name), type_(type) {}

  DnsAnswer parse() {
    DnsAnswer answer;
    answer.error = read(answer);
    if (answer.error.empty()) return answer;
    DnsAnswer refused;
    refused.error = std::move(answer.error);
    return refused;
  }

 private:
  std::string read(DnsAnswer& answer) {
    const Header header = read_header(reader_);
    if (reader_.is_broken()) return "the answer is too short";
    if (!header.is_answer()) return "what came is not an answer";
    if (header.code() != 0 && header.code() != 3) return "answered " + text_of_code(header.code());
    if (header.is_truncated()) return "the answer is truncated";
    if (header.questions != 1 || !is_our_question()) return "answers another question";
    if (header.answers > dns_records_max) {
      return "answered more than " + std::to_string(dns_records_max) + " records";
    }
    answer.is_known_name = header.code() == 0;
    for (unsigned i = 0; i < header.answers && !reader_.is_broken(); ++i) keep_answer();
    // Nothing of the authorities is used; they are in the way.
    for (unsigned i = 0; i < header.authorities && !reader_.is_broken(); ++i) read_record(reader_);
    for (unsigned i = 0; i < header.additionals && !reader_.is_broken(); ++i) {
      keep_additional(answer);
    }
    if (reader_.is_broken()) return "the answer is malformed";
    if (!follow_aliases(answer)) return "the aliases do not end";
    for (const Record& record : records_) {
      if (record.owner == name_ && !take(record, answer)) return "the answer is malformed";
    }
    return {};
  }

  bool is_our_question() {
    const std::string name = reader_.name();
    const bool is_of_type = reader_.short_number() == static_cast<std::uint16_t>(type_);
    const bool is_of_class = reader_.short_number() == class_internet;
    return name == name_ && is_of_type && is_of_class && !reader_.is_broken();
  }

  void keep_answer() {
    Record record = read_record(reader_);
    if (record.is_of(type_)) {
      records_.push_back(std::move(record));
    } else if (record.is_of(type_cname)) {
      Reader data = reader_at(record);
      aliases_.push_back({std::move(record.owner), data.name(), record.ttl});
      if (!ends(data, record)) reader_.fail();
    }
  }

  // Of use where an SRV record names its target.
  void keep_additional(DnsAnswer& answer) {
    const Record record = read_record(reader_);
    if (type_ != DnsType::srv || answer.additional.size() >= dns_records_max) return;
    const bool is_v4 = record.is_of(DnsType::a) && record.size == 4;
    const bool is_v6 = record.is_of(DnsType::aaaa) && record.size == 16;
    if (!is_v4 && !is_v6) return;
    Reader data = reader_at(record);
    const base::IpAddress address = is_v4 ? data.address<4>() : data.address<16>();
    answer.additional.push_back({record.owner, address, std::chrono::seconds(record.ttl)});
  }

  // `name_` becomes the name that the aliases lead to.
  bool follow_aliases(DnsAnswer& answer) {
    for (std::size_t i = 0;; ++i) {
      const auto alias = std::ranges::find(aliases_, name_, &Alias::owner);
      if (alias == aliases_.end()) return true;
      if (i >= dns_aliases_max) return false;
      name_ = alias->target;
      lower_ttl(alias->ttl, answer);
    }
  }

  bool take(const Record& record, DnsAnswer& answer) {
    Reader data = reader_at(record);
    switch (type_) {
      case DnsType::a: answer.addresses.push_back(data.address<4>()); break;
      case DnsType::aaaa: answer.addresses.push_back(data.address<16>()); break;
      case DnsType::srv: {
        DnsService service;
        service.priority = data.short_number();
        service.weight = data.short_number();
        service.port = data.short_number();
        service.target = data.name();
        if (service.target.empty() || is_dns_name(service.target)) {
          answer.services.push_back(std::move(service));
        } else {
          ++answer.ill_formed;
        }
        break;
      }
    }
    lower_ttl(record.ttl, answer);
    return ends(data, record);
  }

  [[nodiscard]] Reader reader_at(const Record& record) const {
    Reader reader(message_);
    reader.go_to(record.data);
    return reader;
  }
  static bool ends(const Reader& data, const Record& record) {
    return !data.is_broken() && data.position() == record.data + record.size;
  }
  static void lower_ttl(std::uint32_t ttl, DnsAnswer& answer) {
    const std::chrono::seconds seconds(ttl);
    answer.ttl = std::min(answer.ttl.value_or(seconds), seconds);
  }

  base::Bytes message_;
  Reader reader_;
  std::string name_;
  DnsType type_;
  std::vector<Record> records_;
  std::vector<Alias> aliases_;
};

}  // namespace

std::string_view text_of(DnsType type) {
  switch (type) {
    case DnsType::a: return "A";
    case DnsType::aaaa: return "AAAA";
    case DnsType::srv: return "SRV";
  }
  return "";
}

bool is_dns_name(std::string_view name) {
  if (name.size() > name_text_max) return false;
  while (true) {
    const std::string_view label = name.substr(0, name.find('.'));
    if (label.empty() || label.size() > 63 || !std::ranges::all_of(label, is_name_byte)) {
      return false;
    }
    if (label.size() == name.size()) return true;
    name.remove_prefix(label.size() + 1);
  }
}

DnsAnswer parse_dns_answer(base::Bytes message, std::string_view name, DnsType type) {
  return AnswerParser(message, name, type).parse();
}

}  // namespace sluice::net
