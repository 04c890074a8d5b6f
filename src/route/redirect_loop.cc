#include "route/redirect_loop.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/http/uri.h"

namespace sluice::route {
namespace {

enum class Answer : std::uint8_t { no, maybe, yes };

// What is known of a request.
struct Place {
  std::optional<std::string> host;  // without port; nothing: any
  std::optional<std::string> path;  // normal form; nothing: any
  bool is_sample = false;           // one of many that may come
};

bool is_about_path(std::string_view kind) { return kind.starts_with("path"); }
bool is_about_host(std::string_view kind) { return kind.starts_with("host"); }
std::string kind_of(const config::Node& condition) { return condition.keys().front(); }

bool holds(const Condition& condition, const Place& place) {
  http::RequestHead head;
  head.method = http::Method::get;
  head.method_text = "GET";
  head.host = place.host ? std::string_view(*place.host) : std::string_view();
  head.path = place.path ? std::string_view(*place.path) : std::string_view("/");
  head.target = head.path;
  return condition.matches({.head = head});
}

// Maybe: of what else a request has, which a client may bring along again.
Answer answer_of(const config::Node& node, const Condition& condition, const Place& place) {
  const std::string kind = kind_of(node);
  if (is_about_path(kind)) {
    if (!place.path) return Answer::maybe;
    return holds(condition, place) ? Answer::yes : Answer::no;
  }
  if (is_about_host(kind)) {
    if (!place.host) return Answer::maybe;
    return holds(condition, place) ? Answer::yes : Answer::no;
  }
  // Of other conditions put together: what they say of host and path alone.
  if (kind == "not" || kind == "any" || kind == "all") {
    return holds(condition, place) ? Answer::maybe : Answer::no;
  }
  return Answer::maybe;
}

const config::Rule* source_of(const config::Listener& listener, const Rule& rule) {
  const auto found = std::ranges::find(listener.rules, rule.name, &config::Rule::name);
  return found == listener.rules.end() ? nullptr : &*found;
}

// Whether a rule in front takes the request, so that it does not come back.
Answer catches(const config::Rule& source, const Rule& rule, const Place& place) {
  Answer answer = Answer::yes;
  for (std::size_t i = 0; i < rule.conditions.size(); ++i) {
    answer = std::min(answer, answer_of(source.conditions[i], *rule.conditions[i], place));
  }
  return answer;
}

Answer is_caught_before(const config::Listener& listener, const std::vector<Rule>& rules,
                        const Rule& rule, const Place& place) {
  Answer caught = Answer::no;
  for (const Rule& other : rules) {
    if (&other == &rule) break;
    const config::Rule* source = source_of(listener, other);
    if (source != nullptr) caught = std::max(caught, catches(*source, other, place));
  }
  return caught;
}

// The rule's own conditions, of a client that they held for before it was sent to `place`.
Answer holds_again(const config::Rule* source, const Rule& rule, const Redirect& redirect,
                   const Place& place) {
  Answer answer = Answer::yes;
  for (std::size_t i = 0; i < rule.conditions.size(); ++i) {
    const std::string kind = kind_of(source->conditions[i]);
    if (kind.starts_with("query") && redirect.query) return Answer::no;  // it takes that away
    const bool is_the_same =
        kind == "source_ip" || kind == "client_certificate" || (kind == "sni" && !place.host) ||
        (is_about_path(kind) && !place.path) || (is_about_host(kind) && !place.host);
    if (is_the_same) continue;
    answer = std::min(answer, answer_of(source->conditions[i], *rule.conditions[i], place));
  }
  return answer;
}

bool is_literal(const RedirectTemplate& text) {
  return std::ranges::all_of(text.pieces(), [](const RedirectTemplate::Piece& piece) {
    return piece.placeholder == RedirectTemplate::Placeholder::none;
  });
}

// Texts that the conditions of a kind may hold for: their values, with wildcards filled in.
template <typename IsAbout>
std::vector<std::string> samples(const config::Rule* source, IsAbout is_about,
                                 std::string_view fallback) {
  std::vector<std::string> out;
  if (source != nullptr) {
    for (const config::Node& condition : source->conditions) {
      if (!is_about(kind_of(condition))) continue;
      const auto value = condition.get(kind_of(condition));
      config::Problems ignored;
      if (!value || value->kind() == config::Node::Kind::mapping) continue;
      for (std::string text : value->as_strings(ignored)) {
        std::ranges::replace_if(text, [](char c) { return c == '*' || c == '?'; }, 'x');
        out.push_back(std::move(text));
      }
    }
  }
  if (out.empty() && !fallback.empty()) out.emplace_back(fallback);
  return out;
}

std::string expanded(const RedirectTemplate& text, std::string_view host, std::string_view path,
                     std::uint16_t port) {
  std::string out;
  text.append_to(out, {.protocol = "http", .host = host, .port = port, .path = path, .query = {}},
                 Redirect::location_limit);
  return out;
}

std::optional<std::string> normal(const std::string& path) {
  std::string storage;
  std::string_view result;
  if (!http::normalize_path(path, storage, result)) return std::nullopt;
  return std::string(result);
}

// Where the redirect sends clients to, on this listener. None: elsewhere, or nobody can tell.
std::vector<Place> places_of(const Redirect& redirect, const config::Rule* source,
                             std::uint16_t port) {
  const std::vector<std::string> hosts = samples(source, is_about_host, "");
  // Another name, of which no condition says that it leads here.
  if (redirect.host && hosts.empty()) return {};
  const std::vector<std::string> paths = samples(source, is_about_path, "/x");
  std::vector<Place> places;
  for (const std::string& host : hosts.empty() ? std::vector<std::string>{""} : hosts) {
    for (const std::string& path : paths) {
      Place place;
      if (redirect.host) {
        place.host = expanded(*redirect.host, host, path, port);
        place.is_sample |= !is_literal(*redirect.host);
      }
      if (redirect.path) {
        place.path = normal(expanded(*redirect.path, host, path, port));
        if (!place.path) continue;
        place.is_sample |= !is_literal(*redirect.path);
      }
      places.push_back(std::move(place));
    }
  }
  return places;
}

bool leaves_listener(const Redirect& redirect, const config::Listener& listener) {
  const std::string_view protocol = listener.tls ? "https" : "http";
  return (redirect.protocol && redirect.protocol != protocol) ||
         redirect.port.value_or(listener.bind.port) != listener.bind.port;
}

Answer comes_back(const config::Listener& listener, const std::vector<Rule>& rules,
                  const Rule& rule, const Redirect& redirect) {
  if (leaves_listener(redirect, listener)) return Answer::no;
  // Host and path as they were: table.cc refuses that whatever the conditions are.
  if (!redirect.host && !redirect.path) return Answer::no;
  const config::Rule* source = source_of(listener, rule);
  if (source == nullptr && !rule.conditions.empty()) return Answer::no;
  Answer worst = Answer::no;
  for (const Place& place : places_of(redirect, source, listener.bind.port)) {
    Answer answer = holds_again(source, rule, redirect, place);
    const Answer caught = is_caught_before(listener, rules, rule, place);
    if (caught == Answer::yes) answer = Answer::no;
    if (caught == Answer::maybe || place.is_sample) answer = std::min(answer, Answer::maybe);
    worst = std::max(worst, answer);
  }
  return worst;
}

const config::Node* action_of(const config::Listener& listener, const Rule& rule) {
  if (const config::Rule* source = source_of(listener, rule)) return &source->action;
  return listener.default_action ? &*listener.default_action : nullptr;
}

}  // namespace

void report_redirect_loops(const config::Listener& listener, const std::vector<Rule>& rules,
                           config::Problems& problems) {
  for (const Rule& rule : rules) {
    const auto* redirect = rule.action ? std::get_if<Redirect>(&*rule.action) : nullptr;
    const config::Node* action = redirect != nullptr ? action_of(listener, rule) : nullptr;
    if (action == nullptr) continue;
    const config::Node node = action->get("redirect").value_or(*action);
    switch (comes_back(listener, rules, rule, *redirect)) {
      case Answer::no: break;
      case Answer::maybe:
        node.warning("may be a loop: what it sends clients to may come back to this rule",
                     problems);
        break;
      case Answer::yes:
        node.error("is a loop: what it sends clients to comes back to this rule", problems);
        break;
    }
  }
}

}  // namespace sluice::route
