// Where credentials come from: the first of the environment, web identity, the container and the
// instance that is set up. One that is set up and fails is an error; the next is not asked, for it
// would be somebody else.
//
//   environment    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
//                  AWS_CREDENTIAL_EXPIRATION
//   web identity   AWS_WEB_IDENTITY_TOKEN_FILE, read each time, AWS_ROLE_ARN,
//                  AWS_ROLE_SESSION_NAME; AWS_ENDPOINT_URL_STS
//   container      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI,
//                  AWS_CONTAINER_AUTHORIZATION_TOKEN or _TOKEN_FILE
//   instance       the role of the instance, from its metadata service
//
// Control thread.
#pragma once

#include <string>

#include "control/discovery/ec2/credentials.h"
#include "control/discovery/ec2/environment.h"
#include "control/discovery/ec2/instance_metadata.h"

namespace sluice::control::discovery::ec2 {

// What the chain works with; outlives every fetch.
struct ChainParts {
  net::Loop& loop;
  Environment environment;
  InstanceMetadata& metadata;
};

// Ends within a minute. `region`: whose STS is asked.
[[nodiscard]] net::Task<Fetched> fetch_credentials(const ChainParts& parts, std::string region);

// `{"AccessKeyId":...,"SecretAccessKey":...,"Token":...,"Expiration":...}` as the container and the
// instance have it; wipes `text`. Null when it is not that.
[[nodiscard]] SharedCredentials parse_credentials(std::string& text);

}  // namespace sluice::control::discovery::ec2
