// Which checks may be under way: a bounded number of slots, shared by the groups of targets.
//
// Half of the slots are divided among the groups, so that no group keeps another from being
// checked, however many targets it has and however long they take. The other half is for whoever
// comes first, so that a large group is not slow for the sake of those that need little. Those that
// find no slot wait, and groups take turns. One thread.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace sluice::control::health {

struct Job;

class Slots {
 public:
  // What one group has, and who of it waits.
  struct Lane {
    std::deque<Job*> waiting;
    std::size_t taken = 0;
  };

  explicit Slots(std::size_t most) : most_(most) {}

  // Of the group of that name; valid until `share_among` leaves the name out.
  [[nodiscard]] Lane& lane(const std::string& group) { return lanes_[group]; }
  // These groups are checked from now on. The others have given back all slots, and nobody of them
  // waits. Who holds more than its new share keeps it until its checks end.
  void share_among(const std::unordered_set<std::string>& groups);

  // False: the job waits now; `next` will return it.
  [[nodiscard]] bool take_or_wait(Job& job);
  void give_back(const Job& job);
  // Whom of those that wait `leaves` is true for, waits no more.
  void drop_waiting(const std::function<bool(const Job&)>& leaves);
  void clear();

  // `next` would return a job.
  [[nodiscard]] bool has_next() const;
  // A job that waited and has a slot now; null when nobody waits, or there is no room.
  [[nodiscard]] Job* next();

  [[nodiscard]] std::size_t taken() const { return taken_; }

 private:
  [[nodiscard]] bool has_room(const Lane& lane) const;
  void take(Lane& lane);

  const std::size_t most_;
  std::size_t share_ = 1;     // of each group
  std::size_t taken_ = 0;     // by all
  std::size_t borrowed_ = 0;  // beyond the shares
  std::unordered_map<std::string, Lane> lanes_;
  std::deque<Lane*> turns_;  // those in which somebody waits, each once
};

}  // namespace sluice::control::health
