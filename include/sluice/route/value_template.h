// Text of the configuration with variables, `#{name}`, that a request fills in: the values of
// header fields and of query parameters.
//
// Cut into pieces when the configuration is read and put together in one pass: what a variable
// brings is never read again (T27), and a control byte in it becomes its percent escape, so that no
// request can end a field line. Constant; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/config/node.h"

namespace sluice::route {

enum class Variable : std::uint8_t {
  none,
  client_ip,
  client_port,
  protocol,
  host,
  method,
  path,
  query,
  request_id,
  rule,
  target_group,
  tls_version,
  tls_cipher,
  sni,
  status,
  header,
};

// What the variables of one exchange hold.
class Variables {
 public:
  // Appends the value, or nothing when there is none. `name`: of the field, for Variable::header.
  virtual void append(Variable variable, std::string_view name, std::string& out) const = 0;

 protected:
  ~Variables() = default;
};

class ValueTemplate {
 public:
  static constexpr std::size_t text_bytes_max = 1024;

  // Which variables make sense where the text stands.
  enum class Place : std::uint8_t { request, answer };  // `status` is known for answers only

  // Nothing, with a problem recorded, when it has a variable that is unknown or of another place,
  // is longer than `text_bytes_max`, or has a control byte.
  [[nodiscard]] static std::optional<ValueTemplate> parse(const config::Node& node, Place place,
                                                          config::Problems& problems);

  // False once `out` has more than `limit` bytes; it then is cut anywhere.
  [[nodiscard]] bool append_to(std::string& out, const Variables& variables,
                               std::size_t limit) const;

  bool operator==(const ValueTemplate&) const = default;

 private:
  struct Piece {
    Variable variable = Variable::none;
    std::string text;  // a literal, or the name for Variable::header
    bool operator==(const Piece&) const = default;
  };
  std::vector<Piece> pieces_;
};

}  // namespace sluice::route
