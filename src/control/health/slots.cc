#include "control/health/slots.h"

#include <algorithm>

#include "control/health/job.h"

namespace sluice::control::health {

void Slots::share_among(const std::unordered_set<std::string>& groups) {
  std::erase_if(lanes_, [&](const auto& each) { return !groups.contains(each.first); });
  const std::size_t count = std::max<std::size_t>(groups.size(), 1);
  share_ = std::max<std::size_t>(most_ / 2 / count, 1);
  borrowed_ = 0;
  for (const auto& [name, lane] : lanes_) {
    if (lane.taken > share_) borrowed_ += lane.taken - share_;
  }
}

bool Slots::has_room(const Lane& lane) const {
  return taken_ < most_ && (lane.taken < share_ || borrowed_ < most_ - most_ / 2);
}

void Slots::take(Lane& lane) {
  ++taken_;
  if (lane.taken >= share_) ++borrowed_;
  ++lane.taken;
}

// Who waits comes first, or it would wait for ever.
bool Slots::take_or_wait(Job& job) {
  Lane& lane = *job.lane;
  if (lane.waiting.empty() && has_room(lane) && !has_next()) {
    take(lane);
    return true;
  }
  if (lane.waiting.empty()) turns_.push_back(&lane);
  lane.waiting.push_back(&job);
  return false;
}

void Slots::give_back(const Job& job) {
  Lane& lane = *job.lane;
  --taken_;
  --lane.taken;
  if (lane.taken >= share_) --borrowed_;
}

void Slots::drop_waiting(const std::function<bool(const Job&)>& leaves) {
  for (Lane* lane : turns_) {
    std::erase_if(lane->waiting, [&](const Job* job) { return leaves(*job); });
  }
  std::erase_if(turns_, [](const Lane* lane) { return lane->waiting.empty(); });
}

void Slots::clear() {
  turns_.clear();
  lanes_.clear();
  taken_ = borrowed_ = 0;
}

bool Slots::has_next() const {
  return taken_ < most_ &&
         std::ranges::any_of(turns_, [this](const Lane* lane) { return has_room(*lane); });
}

Job* Slots::next() {
  if (taken_ == most_) return nullptr;
  for (std::size_t left = turns_.size(); left > 0; --left) {
    Lane& lane = *turns_.front();
    turns_.pop_front();
    if (!has_room(lane)) {
      turns_.push_back(&lane);
      continue;
    }
    Job* job = lane.waiting.front();
    lane.waiting.pop_front();
    if (!lane.waiting.empty()) turns_.push_back(&lane);
    take(lane);
    return job;
  }
  return nullptr;
}

}  // namespace sluice::control::health
