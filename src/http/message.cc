#include "sluice/http/message.h"

namespace sluice::http {

Method method(std::string_view text) {
  switch (text.size()) {
    case 3:
      if (text == "GET") return Method::get;
      if (text == "PUT") return Method::put;
      break;
    case 4:
      if (text == "POST") return Method::post;
      if (text == "HEAD") return Method::head;
      break;
    case 5:
      if (text == "PATCH") return Method::patch;
      if (text == "TRACE") return Method::trace;
      break;
    case 6:
      if (text == "DELETE") return Method::delete_;
      break;
    case 7:
      if (text == "OPTIONS") return Method::options;
      if (text == "CONNECT") return Method::connect;
      break;
    default: break;
  }
  return Method::other;
}

bool is_idempotent(Method method) {
  switch (method) {
    case Method::get:
    case Method::head:
    case Method::put:
    case Method::delete_:
    case Method::options:
    case Method::trace: return true;
    case Method::other:
    case Method::post:
    case Method::patch:
    case Method::connect: return false;
  }
  return false;
}

// Member by member and not by assigning a new head: the fields and the path keep their memory.

void RequestHead::clear() {
  method = Method::other;
  method_text = {};
  target = {};
  form = TargetForm::origin;
  path = {};
  query = {};
  has_query = false;
  host = {};
  minor_version = 1;
  http2 = false;
  connect_protocol = {};
  fields.clear();
  framing = Framing::none;
  content_length = 0;
  persistent = true;
  expects_continue = false;
  wants_upgrade = false;
  desync = DesyncReason::none;
  path_storage.clear();
}

void ResponseHead::clear() {
  status = 0;
  reason_phrase = {};
  minor_version = 1;
  http2 = false;
  fields.clear();
  framing = Framing::none;
  content_length = 0;
  has_content_length = false;
  persistent = true;
}

}  // namespace sluice::http
