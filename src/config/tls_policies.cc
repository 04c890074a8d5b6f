#include "config/tls_policies.h"

#include <algorithm>
#include <array>

namespace sluice::config {
namespace {

constexpr std::string_view prefix = "ELBSecurityPolicy-";

// In ALB's order, which is the server's preference: the suites with SHA-1 stand between those that
// the other policies have.
// clang-format off
#define ECDHE_128      "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
                       "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256"
#define ECDHE_128_SHA1 "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA"
#define ECDHE_256      "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
                       "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384"
#define ECDHE_256_SHA1 "ECDHE-RSA-AES256-SHA:ECDHE-ECDSA-AES256-SHA"
// clang-format on
constexpr std::string_view restricted =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
constexpr std::string_view forward_secret = ECDHE_128 ":" ECDHE_256;
constexpr std::string_view forward_secret_and_sha1 =
    ECDHE_128 ":" ECDHE_128_SHA1 ":" ECDHE_256 ":" ECDHE_256_SHA1;
constexpr std::string_view with_rsa = ECDHE_128 ":" ECDHE_256
                                                ":AES128-GCM-SHA256:AES128-SHA256"
                                                ":AES256-GCM-SHA384:AES256-SHA256";
constexpr std::string_view everything =
    ECDHE_128 ":" ECDHE_128_SHA1 ":" ECDHE_256 ":" ECDHE_256_SHA1
              ":AES128-GCM-SHA256:AES128-SHA256:AES128-SHA"
              ":AES256-GCM-SHA384:AES256-SHA256:AES256-SHA";
#undef ECDHE_128
#undef ECDHE_128_SHA1
#undef ECDHE_256
#undef ECDHE_256_SHA1

constexpr TlsVersion v1_0 = TlsVersion::tls1_0;
constexpr TlsVersion v1_1 = TlsVersion::tls1_1;
constexpr TlsVersion v1_2 = TlsVersion::tls1_2;
constexpr TlsVersion v1_3 = TlsVersion::tls1_3;

constexpr std::array policies = {
    TlsPolicy{"TLS13-1-3-2021-06", v1_3, v1_3, ""},
    TlsPolicy{"TLS13-1-2-Res-2021-06", v1_2, v1_3, restricted},
    TlsPolicy{"TLS13-1-2-2021-06", v1_2, v1_3, forward_secret},
    TlsPolicy{"TLS13-1-2-Ext1-2021-06", v1_2, v1_3, with_rsa},
    TlsPolicy{"TLS13-1-2-Ext2-2021-06", v1_2, v1_3, everything},
    TlsPolicy{"TLS13-1-1-2021-06", v1_1, v1_3, everything},
    TlsPolicy{"TLS13-1-0-2021-06", v1_0, v1_3, everything},
    TlsPolicy{"TLS-1-2-2017-01", v1_2, v1_2, with_rsa},
    TlsPolicy{"TLS-1-2-Ext-2018-06", v1_2, v1_2, everything},
    TlsPolicy{"TLS-1-1-2017-01", v1_1, v1_2, everything},
    TlsPolicy{"2016-08", v1_0, v1_2, everything},
    TlsPolicy{"2015-05", v1_0, v1_2, everything},
    TlsPolicy{"FS-1-2-Res-2020-10", v1_2, v1_2, restricted},
    TlsPolicy{"FS-1-2-Res-2019-08", v1_2, v1_2, forward_secret},
    TlsPolicy{"FS-1-2-2019-08", v1_2, v1_2, forward_secret_and_sha1},
    TlsPolicy{"FS-1-1-2019-08", v1_1, v1_2, forward_secret_and_sha1},
    TlsPolicy{"FS-2018-06", v1_0, v1_2, forward_secret_and_sha1},
};

std::string allowed() {
  std::string text = "; allowed, each with or without " + std::string(prefix) + ": ";
  for (const TlsPolicy& policy : policies) {
    if (&policy != &policies.front()) text += ", ";
    text += policy.name;
  }
  return text;
}

}  // namespace

const TlsPolicy* find_tls_policy(std::string_view name, std::string& error) {
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  const auto* const found = std::ranges::find(policies, name, &TlsPolicy::name);
  if (found != policies.end()) return found;
  if (name.find("-FIPS-") != name.npos) {
    error = "a FIPS policy needs a validated library, which this is not built with" + allowed();
  } else if (name.find("-PQ-") != name.npos) {
    error = "a post-quantum policy needs groups (X25519MLKEM768) that OpenSSL 3.0 does not have" +
            allowed();
  } else if (name == "TLS-1-0-2015-04") {
    error =
        "it differs from 2016-08 by DES-CBC3-SHA, a weak cipher that OpenSSL 3.0 does not have" +
        allowed();
  } else {
    error = "is no security policy";
    const auto near = nearest(name, tls_policy_names());
    if (near) error += "; did you mean " + std::string(*near) + "?";
    error += allowed();
  }
  return nullptr;
}

std::vector<std::string_view> tls_policy_names() {
  std::vector<std::string_view> names;
  for (const TlsPolicy& policy : policies) names.push_back(policy.name);
  return names;
}

}  // namespace sluice::config
