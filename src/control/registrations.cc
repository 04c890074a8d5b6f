#include "sluice/control/registrations.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <set>
#include <utility>
#include <vector>

#include "control/discovery/last_good.h"
#include "control/state_file.h"
#include "sluice/observe/log.h"

namespace sluice::control {

using observe::Level;
using Result = TargetChanged::Result;

namespace {

// Behind which a file of more lines than twice the targets it tells of is written anew.
constexpr std::size_t slack_lines = 2000;

MemberOverride override_of(const StateEntry& entry) {
  return {.weight = entry.weight, .is_draining = entry.is_draining};
}

std::string text_of(const StateEntry& entry) {
  if (entry.says_nothing()) return "nothing";
  std::string text;
  const auto add = [&text](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  if (entry.registered) add("registered with weight " + std::to_string(*entry.registered));
  if (entry.weight) add("weight " + std::to_string(*entry.weight));
  if (entry.is_draining) add("draining");
  return text;
}

std::string_view name_of(TargetChange::Kind kind) {
  switch (kind) {
    case TargetChange::Kind::add: return "register";
    case TargetChange::Kind::modify: return "modify";
    case TargetChange::Kind::remove: return "deregister";
  }
  return "modify";
}

}  // namespace

// Metadata services hand out credentials; the other addresses never are one machine's (T23).
std::optional<TargetAddress> target_address(std::string_view text, std::string& error) {
  std::string why;
  const std::optional<config::Address> address = config::parse_address(text, why);
  const std::string quoted = "'" + observe::escaped(text) + "'";
  if (!address) {
    error =
        "address: " + why + " in " + quoted + "; an address is ip:port, [v6]:port or unix:/path";
    return std::nullopt;
  }
  if (address->is_unix)
    return TargetAddress{address->text(), net::Endpoint::unix_path(address->host)};
  const auto endpoint = net::Endpoint::numeric(address->host, address->port);
  if (!endpoint || address->port == 0) {
    error = "address: must be an IP address and a port from 1 to 65535, or unix:/path, not " +
            quoted + "; names belong to `discovery` or the configuration";
    return std::nullopt;
  }
  if (discovery::is_refused_address(*endpoint)) {
    error = "address: " + quoted + " never is a target: it is link-local (as metadata services " +
            "are), unspecified or multicast";
    return std::nullopt;
  }
  return TargetAddress{address->text(), *endpoint};
}

// Shared with the write that is under way.
class Registrations::Implementation : public std::enable_shared_from_this<Implementation> {
 public:
  Implementation(boost::asio::io_context& context, Membership& membership, Events& events)
      : context_(context), membership_(membership), events_(events) {}

  void open(const std::string& folder, const config::Position& position,
            config::Problems& problems);
  void change(TargetChange change, Done done);
  [[nodiscard]] const std::string& folder() const { return folder_; }
  void stop();

 private:
  struct Asked {
    TargetChange change;
    Done done;
  };
  // One change of a batch, and what is to become of it.
  struct Step {
    Asked asked;
    TargetChanged changed;
    StateEntry before;
    StateEntry after;
    bool is_staged = false;  // it needs, or rests on, something that is being written
  };
  struct Batch {
    std::vector<Step> steps;
    StateEntries staged;
  };

  void take(const StateEntries& entries);
  void begin();
  [[nodiscard]] StateEntry entry_of(const StateKey& key) const;
  void evaluate(Step& step, StateEntries& staged);
  void evaluate_add(Step& step) const;
  void evaluate_modify(Step& step, const StateEntries& staged) const;
  void evaluate_remove(Step& step) const;
  void write(Batch batch);
  void written(Batch batch, const StateFile::Failure& failure);
  void apply(const StateKey& key, const StateEntry& entry, const net::Endpoint& endpoint);
  void finish(Step& step);
  void tell(const Step& step) const;
  void refuse(Batch& batch, Result result, const std::string& detail) const;
  [[nodiscard]] StateEntries all_entries() const;

  boost::asio::io_context& context_;
  Membership& membership_;
  Events& events_;
  std::string folder_;
  std::string cannot_keep_;  // why the folder cannot be written to; empty: it can
  std::shared_ptr<StateFile> file_;
  std::size_t lines_ = 0;  // in the file
  std::vector<Asked> waiting_;
  bool is_writing_ = false;
  bool is_stopped_ = false;
  std::optional<boost::asio::thread_pool> writer_;
};

// --- what was kept ------------------------------------------------------------------------------

void Registrations::Implementation::open(const std::string& folder,
                                         const config::Position& position,
                                         config::Problems& problems) {
  folder_ = folder;
  if (folder.empty()) return;
  constexpr const char* key = "state_dir";
  file_ = std::make_shared<StateFile>(folder, cannot_keep_);
  std::string error;
  const std::optional<std::string> text = file_->read(error);
  if (!error.empty()) {
    problems.error(position, key, "'" + file_->path() + "' cannot be read: " + error);
    return;
  }
  const StateContent content = text ? read_state(*text) : StateContent{};
  take(content.entries);
  lines_ = content.lines;
  if (text && content.is_damaged()) {
    std::string what = content.is_from_newer
                           ? "is of a newer version and was not read"
                           : "is damaged: " + std::to_string(content.damaged + content.missing) +
                                 " lines are lost, what the other " +
                                 std::to_string(content.lines) + " say is in use";
    std::string why;
    const std::string aside = cannot_keep_.empty() ? file_->set_aside(why) : std::string();
    what += aside.empty() ? "; it stays as it is, for it cannot be set aside: " +
                                (why.empty() ? cannot_keep_ : why)
                          : "; it was set aside as '" + aside + "'";
    observe::log(Level::error, "state: '" + observe::escaped(file_->path()) + "' " +
                                   observe::escaped(what, 1024));
    // What cannot be set aside is not written over: it may be all there is.
    if (aside.empty() && cannot_keep_.empty()) cannot_keep_ = "the damaged file is in the way";
  }
  if (cannot_keep_.empty()) {
    const StateFile::Failure failure = file_->replace(state_text(content.entries));
    lines_ = content.entries.size();
    // It may pass: the first change tries again.
    if (failure.code != 0) problems.warning(position, key, "cannot be written to: " + failure.text);
  } else {
    problems.warning(position, key,
                     "'" + folder + "' " + cannot_keep_ +
                         "; what the admin API says cannot be kept, and is refused");
  }
  if (!content.entries.empty()) {
    observe::log(Level::info, "state: " + std::to_string(content.entries.size()) +
                                  " targets of the admin API were kept in '" +
                                  observe::escaped(file_->path()) + "'");
  }
}

void Registrations::Implementation::take(const StateEntries& entries) {
  std::size_t refused = 0;
  for (const auto& [key, entry] : entries) {
    std::string error;
    const auto address = target_address(key.second, error);
    if (entry.registered && !address) {
      ++refused;
      continue;
    }
    apply(key, entry, address ? address->endpoint : net::Endpoint());
  }
  if (refused > 0) {
    observe::log(Level::error, "state: " + std::to_string(refused) +
                                   " registrations have no address that may be a target's");
  }
}

StateEntries Registrations::Implementation::all_entries() const {
  StateEntries all;
  for (const std::string& group : membership_.groups_of_api()) {
    for (const auto& [id, member] : membership_.api(group)) {
      all[{group, id}].registered = member.weight;
    }
    for (const auto& [id, value] : membership_.overrides(group)) {
      StateEntry& entry = all[{group, id}];
      entry.weight = value.weight;
      entry.is_draining = value.is_draining;
    }
  }
  return all;
}

// --- a change -----------------------------------------------------------------------------------

void Registrations::Implementation::change(TargetChange change, Done done) {
  if (is_stopped_) return;
  waiting_.push_back({std::move(change), std::move(done)});
  if (!is_writing_) begin();
}

void Registrations::Implementation::begin() {
  Batch batch;
  for (Asked& asked : std::exchange(waiting_, {})) {
    batch.steps.push_back({.asked = std::move(asked)});
    evaluate(batch.steps.back(), batch.staged);
  }
  if (batch.staged.empty() || folder_.empty()) return written(std::move(batch), {});
  if (!cannot_keep_.empty()) {
    refuse(batch, Result::not_kept, "state_dir '" + folder_ + "' " + cannot_keep_);
    return;
  }
  write(std::move(batch));
}

StateEntry Registrations::Implementation::entry_of(const StateKey& key) const {
  StateEntry entry;
  const auto& api = membership_.api(key.first);
  const auto member = api.find(key.second);
  if (member != api.end()) entry.registered = member->second.weight;
  const auto& overrides = membership_.overrides(key.first);
  const auto value = overrides.find(key.second);
  if (value == overrides.end()) return entry;
  entry.weight = value->second.weight;
  entry.is_draining = value->second.is_draining;
  return entry;
}

void Registrations::Implementation::evaluate(Step& step, StateEntries& staged) {
  const TargetChange& change = step.asked.change;
  StateKey key(change.group, change.id);
  const auto known = staged.find(key);
  step.is_staged = known != staged.end();
  step.before = step.is_staged ? known->second : entry_of(key);
  step.after = step.before;
  if (!membership_.is_configured(change.group)) {
    step.changed.result = Result::no_group;
    return;
  }
  switch (change.kind) {
    case TargetChange::Kind::add: evaluate_add(step); break;
    case TargetChange::Kind::modify: evaluate_modify(step, staged); break;
    case TargetChange::Kind::remove: evaluate_remove(step); break;
  }
  if (step.after == step.before) return;
  const std::size_t known_here = membership_.api(change.group).size() +
                                 membership_.overrides(change.group).size() + staged.size();
  if (step.before.says_nothing() && known_here >= targets_max) {
    step.after = step.before;
    step.changed.result = Result::too_many;
    return;
  }
  step.is_staged = true;
  staged.insert_or_assign(std::move(key), step.after);
}

void Registrations::Implementation::evaluate_add(Step& step) const {
  const TargetChange& change = step.asked.change;
  if (!step.before.registered) {
    step.after.registered = change.weight.value_or(1);
    step.changed.result = Result::added;
  } else if (change.weight.has_value() && change.weight != step.before.registered) {
    step.changed.result = Result::another_weight;
  }
}

void Registrations::Implementation::evaluate_modify(Step& step, const StateEntries& staged) const {
  const TargetChange& change = step.asked.change;
  const auto named = membership_.named(change.group, change.id);
  // Its registration may just be going.
  const bool is_going = staged.contains({change.group, change.id}) && !step.before.registered;
  const bool is_named = named.has_value() && !(is_going && named->sources == "api");
  if (step.before.says_nothing() && !is_named) {
    step.changed.result = Result::no_target;
    return;
  }
  if (change.weight) step.after.weight = change.weight;
  if (change.ends_weight) step.after.weight.reset();
  if (change.is_draining) step.after.is_draining = *change.is_draining;
  if (step.after != step.before) step.changed.result = Result::modified;
}

void Registrations::Implementation::evaluate_remove(Step& step) const {
  const TargetChange& change = step.asked.change;
  step.changed.target = membership_.named(change.group, change.id);
  if (!step.before.registered) {
    step.changed.result =
        step.changed.target.has_value() ? Result::not_registered : Result::no_target;
    return;
  }
  const bool others_name_it =
      step.changed.target.has_value() && step.changed.target->sources != "api";
  step.after.registered.reset();
  // What was said of a target goes with it, unless somebody else names it.
  if (!others_name_it) step.after = {};
  step.changed.result = others_name_it ? Result::unregistered : Result::removed;
}

// --- the file -----------------------------------------------------------------------------------

void Registrations::Implementation::write(Batch batch) {
  std::string lines;
  for (const auto& [key, entry] : batch.staged) lines += state_line(key, entry);
  std::string whole;
  const bool must_replace = file_->needs_replacing();
  // Looked at seldom: adding up all takes time.
  if (must_replace || lines_ >= slack_lines) {
    StateEntries all = all_entries();
    if (must_replace || lines_ > 2 * all.size() + slack_lines) {
      for (const auto& [key, entry] : batch.staged) {
        all.erase(key);
        if (!entry.says_nothing()) all.emplace(key, entry);
      }
      whole = state_text(all);
      lines_ = all.size();
    }
  }
  lines_ += batch.staged.size();
  is_writing_ = true;
  if (!writer_) writer_.emplace(1);
  boost::asio::post(
      *writer_, [self = shared_from_this(), file = file_, batch = std::move(batch),
                 lines = std::move(lines), whole = std::move(whole), must_replace]() mutable {
        StateFile::Failure failure;
        if (!whole.empty()) failure = file->replace(whole);
        // Room for a second file may be lacking where there is some for a line.
        if (whole.empty() || (failure.code != 0 && !must_replace && !file->needs_replacing())) {
          failure = file->append(lines);
        }
        boost::asio::post(self->context_, [self, batch = std::move(batch), failure]() mutable {
          self->is_writing_ = false;
          if (!self->is_stopped_) self->written(std::move(batch), failure);
        });
      });
}

void Registrations::Implementation::written(Batch batch, const StateFile::Failure& failure) {
  if (failure.code != 0) {
    observe::log(Level::error, "state: '" + observe::escaped(file_->path()) +
                                   "' cannot be written: " + failure.text);
    refuse(batch, failure.is_full() ? Result::no_room : Result::not_kept,
           "the state file could not be written (" + failure.text + "); nothing has changed");
  } else {
    for (Step& step : batch.steps) finish(step);
  }
  if (!waiting_.empty() && !is_writing_) begin();
}

void Registrations::Implementation::refuse(Batch& batch, Result result,
                                           const std::string& detail) const {
  for (Step& step : batch.steps) {
    if (step.is_staged) {
      step.changed.result = result;
      step.changed.detail = detail;
    }
    step.asked.done(step.changed);
  }
}

void Registrations::Implementation::finish(Step& step) {
  const TargetChange& change = step.asked.change;
  if (step.after != step.before) {
    apply({change.group, change.id}, step.after, change.endpoint);
    tell(step);
  }
  if (step.changed.result != Result::removed) {
    step.changed.target = membership_.named(change.group, change.id);
  }
  step.asked.done(step.changed);
}

void Registrations::Implementation::apply(const StateKey& key, const StateEntry& entry,
                                          const net::Endpoint& endpoint) {
  const auto& [group, id] = key;
  const auto& api = membership_.api(group);
  const auto known = api.find(id);
  if (!entry.registered) {
    (void)membership_.remove_api(group, id);
  } else if (known == api.end() || known->second.weight != *entry.registered) {
    Member member;
    member.id = id;
    member.endpoint = known == api.end() ? endpoint : known->second.endpoint;
    member.weight = *entry.registered;
    membership_.put_api(group, std::move(member));
  }
  const bool is_overridden = entry.weight || entry.is_draining;
  membership_.set_override(group, id,
                           is_overridden ? std::optional(override_of(entry)) : std::nullopt);
}

// Who changed what, for whoever asks later.
void Registrations::Implementation::tell(const Step& step) const {
  const TargetChange& change = step.asked.change;
  const std::string before = text_of(step.before);
  const std::string after = text_of(step.after);
  observe::log(Level::info, "admin: " + std::string(name_of(change.kind)) + " target " +
                                change.group + " " + observe::escaped(change.id) + " by " +
                                change.who + ": was " + before + ", is " + after);
  Event event{.at = base::Wall::now(),
              .type = event_type::admin_change,
              .target_group = change.group,
              .target = change.id};
  event.fields = {{"action", std::string(name_of(change.kind))},
                  {"by", change.who},
                  {"before", before},
                  {"after", after}};
  events_.add(std::move(event));
}

void Registrations::Implementation::stop() {
  is_stopped_ = true;
  waiting_.clear();
  if (writer_) writer_->join();
}

// --- the contract -------------------------------------------------------------------------------

Registrations::Registrations(boost::asio::io_context& context, Membership& membership,
                             Events& events)
    : implementation_(std::make_shared<Implementation>(context, membership, events)) {}

Registrations::~Registrations() { implementation_->stop(); }

void Registrations::open(const std::string& folder, const config::Position& position,
                         config::Problems& problems) {
  implementation_->open(folder, position, problems);
}

const std::string& Registrations::folder() const { return implementation_->folder(); }

void Registrations::change(TargetChange change, Done done) {
  implementation_->change(std::move(change), std::move(done));
}

}  // namespace sluice::control
