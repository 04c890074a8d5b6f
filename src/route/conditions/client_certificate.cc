// client_certificate: { subject: "CN=alice,*", dns: ["*.internal"] } - the certificate that the
// client showed, and that was verified against the listener's trust store, says so. Each key that
// is there must match, each with any of its values, with ALB's wildcards and their backslash
// escapes. `subject` and `issuer` are names of RFC 2253 and count case; `serial` (hexadecimal) and
// `dns` (of the alternative names) do not. One that was not verified matches nothing.
#include <array>

#include "route/conditions/forms.h"
#include "route/conditions/makers.h"
#include "route/conditions/values.h"

namespace sluice::route {
namespace {

struct Part {
  std::string_view key;
  SubjectKind kind;
};
constexpr std::array parts{
    Part{"subject", SubjectKind::certificate_subject},
    Part{"issuer", SubjectKind::certificate_issuer},
    Part{"serial", SubjectKind::certificate_serial},
    Part{"dns", SubjectKind::certificate_dns},
};

}  // namespace

std::unique_ptr<Condition> make_client_certificate(const config::Node& value,
                                                   config::Problems& problems) {
  if (value.kind() != config::Node::Kind::mapping || value.keys().empty()) {
    value.error("must be a mapping with any of subject, issuer, serial, dns, not " + value.quoted(),
                problems);
    return nullptr;
  }
  if (!has_only_keys(value, {"subject", "issuer", "serial", "dns"}, problems)) return nullptr;
  std::vector<std::unique_ptr<Condition>> conditions;
  bool is_good = true;
  for (const Part& part : parts) {
    const auto node = value.get(part.key);
    if (!node) continue;
    auto patterns = read_texts(*node, part.kind, problems);
    is_good &= !patterns.empty();
    conditions.push_back(
        std::make_unique<TextCondition>("client_certificate " + std::string(part.key),
                                        Subject{part.kind, {}}, std::move(patterns)));
  }
  if (conditions.empty()) value.error("needs a value for one of its keys", problems);
  if (conditions.empty() || !is_good) return nullptr;
  if (conditions.size() == 1) return std::move(conditions.front());
  return std::make_unique<Group>(Condition::Form::all, std::move(conditions));
}

}  // namespace sluice::route
