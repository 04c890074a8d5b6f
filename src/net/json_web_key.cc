#include "sluice/net/json_web_key.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "net/tls_file.h"
#include "sluice/base/base64url.h"
#include "sluice/base/strict_json.h"
#include "sluice/observe/log.h"

namespace sluice::net {
namespace {

namespace json = boost::json;

constexpr std::size_t id_bytes_max = 256;

// The text of a member; nothing when it is absent. `wrong`: it is there and no text.
std::optional<std::string_view> text_of(const json::object& object, json::string_view name,
                                        bool& wrong) {
  const json::value* member = object.if_contains(name);
  if (member == nullptr) return std::nullopt;
  const json::string* text = member->if_string();
  if (text == nullptr) {
    wrong = true;
    return std::nullopt;
  }
  return std::string_view(text->data(), text->size());
}

std::string octets_of(const json::object& object, json::string_view name) {
  bool wrong = false;
  const auto text = text_of(object, name, wrong);
  return text ? base::decode_base64url(*text).value_or("") : std::string();
}

// RFC 7517 4.2 and 4.3.
bool is_for_signatures(const json::object& object) {
  bool wrong = false;
  const auto use = text_of(object, "use", wrong);
  if (wrong || (use && *use != "sig")) return false;
  const json::value* operations = object.if_contains("key_ops");
  if (operations == nullptr) return true;
  const json::array* list = operations->if_array();
  return list != nullptr && std::ranges::any_of(*list, [](const json::value& one) {
           return one.is_string() && one.get_string() == "verify";
         });
}

std::optional<VerificationKey> elliptic_key(const json::object& object, std::string_view curve,
                                            std::string& error) {
  const auto make = [&](Curve of) {
    return VerificationKey::elliptic(of, octets_of(object, "x"), octets_of(object, "y"), error);
  };
  if (curve == "P-256") return make(Curve::p256);
  if (curve == "P-384") return make(Curve::p384);
  if (curve == "P-521") return make(Curve::p521);
  error = "curve '" + observe::escaped(curve, 32) + "'; known are P-256, P-384 and P-521";
  return std::nullopt;
}

std::optional<VerificationKey> key_of(const json::object& object, std::string& error) {
  bool wrong = false;
  const std::string_view type = text_of(object, "kty", wrong).value_or("");
  const std::string_view curve = text_of(object, "crv", wrong).value_or("");
  if (wrong || type.empty()) {
    error = "no kty";
    return std::nullopt;
  }
  if (type == "RSA") {
    return VerificationKey::rsa(octets_of(object, "n"), octets_of(object, "e"), error);
  }
  if (type == "EC") return elliptic_key(object, curve, error);
  if (type == "OKP" && curve == "Ed25519") {
    return VerificationKey::ed25519(octets_of(object, "x"), error);
  }
  error = type == "oct" ? "a symmetric key"
                        : "kty '" + observe::escaped(type, 32) + "' with crv '" +
                              observe::escaped(curve, 32) + "'";
  return std::nullopt;
}

// Nothing, and why, when the key is not for us.
std::optional<JsonWebKey> read_key(const json::value& value, std::string& error) {
  const json::object* object = value.if_object();
  if (object == nullptr) {
    error = "no object";
    return std::nullopt;
  }
  bool wrong = false;
  const std::string_view id = text_of(*object, "kid", wrong).value_or("");
  const auto algorithm = text_of(*object, "alg", wrong);
  if (wrong || id.size() > id_bytes_max) {
    error = "kid or alg is no text, or too long";
    return std::nullopt;
  }
  if (!is_for_signatures(*object)) {
    error = "not for verifying signatures (use, key_ops)";
    return std::nullopt;
  }
  auto key = key_of(*object, error);
  if (!key) return std::nullopt;
  std::optional<SignatureAlgorithm> only;
  if (algorithm) {
    only = signature_algorithm(*algorithm);
    if (!only || !key->suits(*only)) {
      error = "alg '" + observe::escaped(*algorithm, 32) + "' is not one of this type of key";
      return std::nullopt;
    }
  }
  return JsonWebKey{std::string(id), *std::move(key), only};
}

std::string label_of(const json::value& value, std::size_t index) {
  std::string label = "key " + std::to_string(index);
  bool wrong = false;
  if (!value.is_object()) return label;
  const auto id = text_of(value.get_object(), "kid", wrong);
  if (id) label += " (kid '" + observe::escaped(*id, 64) + "')";
  return label;
}

}  // namespace

std::optional<JsonWebKeySet> parse_json_web_keys(std::string_view text, std::string& error) {
  if (text.size() > key_set_bytes_max) {
    error = "larger than " + std::to_string(key_set_bytes_max) + " bytes";
    return std::nullopt;
  }
  const auto document =
      base::parse_strict_json(text, {.bytes = key_set_bytes_max, .depth = key_set_depth_max});
  const json::value* list = nullptr;
  if (document && document->is_object()) list = document->get_object().if_contains("keys");
  if (list == nullptr || !list->is_array()) {
    error = "no JSON Web Key Set";
    return std::nullopt;
  }
  const json::array& values = list->get_array();
  if (values.size() > key_set_keys_max) {
    error = "more than " + std::to_string(key_set_keys_max) + " keys";
    return std::nullopt;
  }
  JsonWebKeySet set;
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::string why;
    if (auto key = read_key(values[i], why)) {
      set.keys.push_back(*std::move(key));
    } else {
      set.passed_over.push_back(label_of(values[i], i) + ": " + why);
    }
  }
  if (set.keys.empty()) {
    error = "no key that verifies signatures";
    if (!set.passed_over.empty()) error += "; " + set.passed_over.front();
    return std::nullopt;
  }
  return set;
}

std::optional<std::string> read_key_set_file(const std::string& path, std::string& error) {
  TlsFile file;
  file.read(path);
  error = file.error;
  if (error.empty() && file.bytes.size() > key_set_bytes_max) {
    error = "larger than " + std::to_string(key_set_bytes_max) + " bytes";
  }
  if (!error.empty()) return std::nullopt;
  return file.bytes;
}

}  // namespace sluice::net
