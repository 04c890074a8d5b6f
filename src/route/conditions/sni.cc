// sni: ["example.com", "*.example.com"] - the name that the client asked for in the TLS handshake,
// without case, with ALB's wildcards. Without TLS, or a name, it matches none.
#include "route/conditions/forms.h"
#include "route/conditions/makers.h"
#include "route/conditions/values.h"

namespace sluice::route {

std::unique_ptr<Condition> make_sni(const config::Node& value, config::Problems& problems) {
  auto patterns = read_host_names(value, problems);
  if (patterns.empty()) return nullptr;
  return std::make_unique<TextCondition>("sni", Subject{SubjectKind::sni, {}}, std::move(patterns));
}

}  // namespace sluice::route
