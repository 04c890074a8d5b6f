// Who is in each target group, by who says so: the configuration, the admin API, and the sources of
// discovery.
//
// What they say adds up: a target, known by its id (address and port), stays until the last that
// names it lets go. Its weight is that of the first that names it, in the order override (admin
// API), configuration, admin API, sources of discovery as configured. It drains when all that name
// it say that it leaves, or when an override says so: it is not in the set then. Whoever
// changes something here is followed by `on_change`; a configuration asks through Members, and
// takes what it found into force with `take_over`. Control thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/control/target_status.h"
#include "sluice/net/endpoint.h"
#include "sluice/proxy/snapshot.h"
#include "sluice/target/registry.h"
#include "sluice/target/target_set.h"

namespace sluice::control {

// A target as one source names it.
struct Member {
  std::string id;  // unique in what one source says
  net::Endpoint endpoint;
  std::uint32_t weight = 1;  // 0..999
  std::string zone;          // availability zone; empty: unknown
  bool is_leaving = false;   // it is to be drained

  bool operator==(const Member&) const = default;
};
using SharedMembers = std::shared_ptr<const std::vector<Member>>;

// What the admin API says of one target, whoever names it.
struct MemberOverride {
  std::optional<std::uint32_t> weight;  // 0..999
  bool is_draining = false;

  bool operator==(const MemberOverride&) const = default;
};

class Membership {
 public:
  using Group = std::string;
  using OnChange = std::function<void(const std::string& group)>;
  // By id.
  using ApiMembers = std::map<std::string, Member, std::less<>>;
  using Overrides = std::map<std::string, MemberOverride, std::less<>>;

  // A source of discovery that a group is to have.
  struct Source {
    std::string key;   // equal: the same settings, so it keeps what it found
    std::string kind;  // `dns`
  };
  // What a configuration says of one group.
  struct GroupPlan {
    std::vector<Member> configured;
    std::vector<Source> sources;
  };
  using Plan = std::map<std::string, GroupPlan, std::less<>>;

  Membership() = default;
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  // Called behind each change of what a group of the configuration may have, but not by
  // `take_over`. One at a time; it must not change anything here.
  void on_change(OnChange callback) { on_change_ = std::move(callback); }

  // --- the configuration
  // Groups that are not in the plan lose their sources, but not what the API says of them.
  void take_over(Plan plan);
  [[nodiscard]] bool is_configured(std::string_view group) const;

  // --- discovery
  // What a source found; no-op for one that the group does not have.
  void set_discovered(const std::string& group, std::string_view key, SharedMembers members);
  // Null: nothing yet. A source that has just taken the place of one of its kind, whose settings
  // were others, has the targets of that one.
  [[nodiscard]] SharedMembers discovered(std::string_view group, std::string_view key) const;

  // --- the admin API. Of any group, configured or not: they count as soon as it is.
  void set_api(const std::string& group, std::vector<Member> members);
  void put_api(const std::string& group, Member member);  // new, or in the place of the former
  bool remove_api(const std::string& group, std::string_view id);  // false: there was none
  [[nodiscard]] const ApiMembers& api(std::string_view group) const;
  // Nothing: the override of that target ends. It may be said of targets that nobody names yet.
  void set_override(const std::string& group, const std::string& id,
                    std::optional<MemberOverride> value);
  [[nodiscard]] const Overrides& overrides(std::string_view group) const;

  // One target, as those who name it add up; nothing: nobody does.
  struct Named {
    std::string sources;  // "config,api"
    std::string zone;
    net::Endpoint endpoint;
    std::uint32_t weight = 1;
    bool is_leaving = false;
  };
  [[nodiscard]] std::optional<Named> named(std::string_view group, std::string_view id) const;
  // Every group that the admin API says something of.
  [[nodiscard]] std::vector<std::string> groups_of_api() const;

  // --- what it adds up to
  [[nodiscard]] std::shared_ptr<const target::TargetSet> set_of(const std::string& group);
  // As it will be when a configuration with this plan is taken over.
  [[nodiscard]] std::shared_ptr<const target::TargetSet> set_of(const std::string& group,
                                                                const GroupPlan& plan);
  // For status: those that somebody names, but that are not in the set, for they drain or have
  // drained. `all` is what Targets tells of the group.
  void add_held_back(std::string_view group, std::vector<TargetStatus>& all) const;

  [[nodiscard]] target::Registry& registry() { return registry_; }

 private:
  struct Found {  // by one source
    Source source;
    SharedMembers members;  // null: nothing yet
  };
  struct State {
    bool is_configured = false;
    std::vector<Member> configured;
    std::vector<Found> discovered;
    ApiMembers api;
    Overrides overrides;
  };
  struct Merged;

  [[nodiscard]] const State* find(std::string_view group) const;
  void changed(const std::string& group, const State& state) const;
  [[nodiscard]] static std::vector<Found> adopt(const std::vector<Found>& former,
                                                const std::vector<Source>& sources);
  [[nodiscard]] static Merged merge(const std::vector<Member>& configured, const ApiMembers& api,
                                    const std::vector<Found>& discovered,
                                    const Overrides& overrides);
  [[nodiscard]] std::shared_ptr<const target::TargetSet> make_set(const std::string& group,
                                                                  const Merged& merged);

  std::map<std::string, State, std::less<>> groups_;
  target::Registry registry_;
  OnChange on_change_;
};

}  // namespace sluice::control
