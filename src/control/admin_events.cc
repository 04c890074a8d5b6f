#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <type_traits>
#include <variant>

#include "control/admin_calls.h"
#include "control/admin_event_stream.h"
#include "sluice/base/text.h"
#include "sluice/observe/log.h"

namespace sluice::control {
namespace {

namespace json = boost::json;

json::object json_of(const Event& event) {
  json::object body{{"id", event.id}, {"time", rfc3339(event.at)}, {"type", event.type}};
  if (!event.target_group.empty()) body["target_group"] = event.target_group;
  if (!event.target.empty()) body["target"] = event.target;
  for (const auto& [name, value] : event.fields) {
    body[name] = std::visit([](const auto& held) { return json::value(held); }, value);
  }
  return body;
}

// The media type is among those of the field, whatever its parameters.
bool accepts(const std::vector<std::string_view>& fields, std::string_view media_type) {
  for (std::string_view rest : fields) {
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      const std::string_view range = rest.substr(0, end);
      if (base::equals_ignoring_case(base::trim(range.substr(0, range.find(';'))), media_type)) {
        return true;
      }
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return false;
}

std::optional<std::string_view> parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view each = query.substr(0, end);
    if (each.substr(0, each.find('=')) == name) {
      return each.substr(std::min(each.size(), name.size() + 1));
    }
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return std::nullopt;
}

// The id of the last event that the reader has; Last-Event-ID, which browsers send when they
// connect again, is newer than the URL they were given. Null text: neither.
struct After {
  std::optional<std::uint64_t> id;
  std::string error;
};

After after_of(const AdminQuestion& question) {
  std::optional<std::string_view> text = parameter(question.query, "since");
  if (!question.request.last_event_id.empty()) text = question.request.last_event_id.front();
  if (!text.has_value()) return {};
  const std::optional<std::uint64_t> id = base::parse_decimal(*text);
  if (id.has_value()) return {.id = id, .error = {}};
  return {.id = {},
          .error = "since and Last-Event-ID must be the id of an event, not '" +
                   observe::escaped(*text) + "'"};
}

// An id that this process has not given comes from one before it: all is new to the reader.
std::uint64_t known(std::uint64_t id, const Events& events) {
  return id > events.last_id() ? 0 : id;
}

AdminReply list(const Events& events, std::uint64_t after) {
  json::array body;
  for (const Event& event : events.all()) {
    if (event.id > after) body.push_back(json_of(event));
  }
  return json_reply(body);
}

void append(std::string& out, const Event& event) {
  out.append("id: ").append(std::to_string(event.id));
  out.append("\nevent: ").append(event.type);
  out.append("\ndata: ").append(json_text(event)).append("\n\n");
}

}  // namespace

AdminReply events(const AdminQuestion& question) {
  Events& events = question.hooks.events();
  const After after = after_of(question);
  if (!after.error.empty()) return problem(400, after.error);
  const auto& accept = question.request.accept;
  if (accepts(accept, "application/json") && !accepts(accept, "text/event-stream")) {
    return list(events, known(after.id.value_or(0), events));
  }
  if (events.subscribers() >= AdminEventStream::streams_max) {
    return problem(503, "there may be " + std::to_string(AdminEventStream::streams_max) +
                            " streams of events at a time");
  }
  // Who names no event wants what comes, not what was.
  const std::uint64_t begin = after.id.has_value() ? known(*after.id, events) : events.last_id();
  return {.status = 200,
          .content_type = "text/event-stream",
          .body = {},
          .allow = {},
          .events = std::make_shared<AdminEventStream>(events, begin)};
}

std::string json_text(const Event& event) { return json::serialize(json_of(event)); }

AdminEventStream::AdminEventStream(Events& events, std::uint64_t after)
    : events_(events), last_(after), subscription_(events.subscribe([this] {
        if (wake_) wake_();
      })) {}

std::string AdminEventStream::next() {
  std::string out;
  const std::deque<Event>& all = events_.all();
  if (last_ >= events_.last_id()) return out;
  const std::uint64_t oldest = all.front().id;
  if (last_ + 1 < oldest) {
    out += ": " + std::to_string(oldest - last_ - 1) + " events are missing\n\n";
    last_ = oldest - 1;
  }
  while (last_ < events_.last_id() && out.size() < batch_bytes) {
    append(out, all[static_cast<std::size_t>(last_ + 1 - oldest)]);
    ++last_;
  }
  return out;
}

}  // namespace sluice::control
