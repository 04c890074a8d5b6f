#include "control/discovery/ec2/answers.h"

#include <algorithm>
#include <memory>
#include <pugixml.hpp>

#include "control/discovery/ec2/times.h"
#include "sluice/base/text.h"

namespace sluice::control::discovery::ec2 {
namespace {

constexpr unsigned parse_options = pugi::parse_minimal | pugi::parse_escapes | pugi::parse_cdata;
constexpr std::size_t code_bytes_max = 64;
constexpr std::size_t text_bytes_max = 1024;        // of an id, an address, a tag
constexpr std::size_t token_bytes_max = 16 * 1024;  // of nextToken

// Elements within each other; the library walks without recursion.
class DepthBound : public pugi::xml_tree_walker {
 public:
  bool for_each(pugi::xml_node& /*node*/) override {
    return depth() < static_cast<int>(answer_depth_max);
  }
};

// Empty when the document is good.
std::string load(pugi::xml_document& document, std::string_view text) {
  if (text.size() > answer_bytes_max) return "is too large";
  const auto marks = std::ranges::count_if(text, [](char c) { return c == '<' || c == '='; });
  if (static_cast<std::size_t>(marks) > answer_marks_max) return "has too many elements";
  const pugi::xml_parse_result result =
      document.load_buffer(text.data(), text.size(), parse_options, pugi::encoding_utf8);
  if (!result) return "is no whole XML";
  DepthBound bound;
  if (!document.traverse(bound)) return "is nested too deep";
  return {};
}

std::string text_of(pugi::xml_node node, const char* child, std::size_t most = text_bytes_max) {
  const std::string_view text = node.child(child).child_value();
  return std::string(text.size() <= most ? text : std::string_view());
}

std::string ipv6_of(pugi::xml_node item) {
  std::string text = text_of(item, "ipv6Address");
  if (!text.empty()) return text;
  for (const pugi::xml_node card : item.child("networkInterfaceSet").children("item")) {
    text = text_of(card.child("ipv6AddressesSet").child("item"), "ipv6Address");
    if (!text.empty()) break;
  }
  return text;
}

Instance instance_of(pugi::xml_node item) {
  Instance instance;
  instance.id = text_of(item, "instanceId");
  // The high byte is for internal purposes.
  const auto code = base::parse_decimal(item.child("instanceState").child_value("code"));
  instance.state = static_cast<InstanceState>(code.value_or(0) & 0xff);
  instance.private_address = text_of(item, "privateIpAddress");
  instance.public_address = text_of(item, "ipAddress");
  instance.ipv6_address = ipv6_of(item);
  instance.zone = text_of(item.child("placement"), "availabilityZone");
  for (const pugi::xml_node tag : item.child("tagSet").children("item")) {
    if (instance.tags.size() == tags_max) break;
    instance.tags.emplace_back(text_of(tag, "key"), text_of(tag, "value"));
  }
  return instance;
}

// Copied out and overwritten in the document, whose memory is not wiped.
net::Secret secret_of(pugi::xml_node node, const char* child) {
  const pugi::xml_node text = node.child(child).first_child();
  net::Secret secret(text.value());
  const std::string blank(secret.reveal().size(), ' ');
  pugi::xml_node(text).set_value(blank.c_str());
  return secret;
}

}  // namespace

std::optional<std::string_view> Instance::tag(std::string_view key) const {
  const auto found = std::ranges::find(tags, key, [](const auto& tag) { return tag.first; });
  if (found == tags.end()) return std::nullopt;
  return found->second;
}

std::optional<Page> parse_instances(std::string_view text, std::string& error) {
  pugi::xml_document document;
  error = load(document, text);
  if (!error.empty()) {
    error = "the answer " + error;
    return std::nullopt;
  }
  const pugi::xml_node root = document.child("DescribeInstancesResponse");
  const pugi::xml_node reservations = root.child("reservationSet");
  if (!reservations) {
    error = "the answer is not one of DescribeInstances";
    return std::nullopt;
  }
  Page page;
  for (const pugi::xml_node reservation : reservations.children("item")) {
    for (const pugi::xml_node item : reservation.child("instancesSet").children("item")) {
      page.instances.push_back(instance_of(item));
    }
  }
  const std::string_view token = root.child("nextToken").child_value();
  if (token.size() > token_bytes_max) {
    error = "the answer has too long a nextToken";
    return std::nullopt;
  }
  page.next_token = token;
  return page;
}

std::string parse_error_code(std::string_view text) {
  pugi::xml_document document;
  if (!load(document, text).empty()) return {};
  const pugi::xml_node of_ec2 = document.child("Response").child("Errors").child("Error");
  const pugi::xml_node of_sts = document.child("ErrorResponse").child("Error");
  std::string code = text_of(of_ec2 ? of_ec2 : of_sts, "Code", code_bytes_max);
  const bool is_plain = std::ranges::all_of(code, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
  if (!is_plain) code.clear();
  return code;
}

SharedCredentials parse_assumed_role(std::string_view text) {
  pugi::xml_document document;
  if (!load(document, text).empty()) return nullptr;
  const pugi::xml_node given = document.child("AssumeRoleWithWebIdentityResponse")
                                   .child("AssumeRoleWithWebIdentityResult")
                                   .child("Credentials");
  auto credentials = std::make_shared<Credentials>();
  credentials->access_key_id = secret_of(given, "AccessKeyId");
  credentials->secret_access_key = secret_of(given, "SecretAccessKey");
  credentials->session_token = secret_of(given, "SessionToken");
  credentials->expires = parse_timestamp(given.child_value("Expiration"));
  const bool is_whole = !credentials->access_key_id.is_empty() &&
                        !credentials->secret_access_key.is_empty() &&
                        !credentials->session_token.is_empty() && credentials->expires.has_value();
  if (!is_whole) return nullptr;
  return credentials;
}

}  // namespace sluice::control::discovery::ec2
