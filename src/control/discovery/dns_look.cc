// A look: the questions of one source, and what the answers say together.
#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "control/discovery/dns.h"
#include "control/discovery/dns_weights.h"
#include "control/health/time_left.h"
#include "sluice/net/dns_resolver.h"

namespace sluice::control::discovery {
namespace {

using config::Milliseconds;
using health::TimeLeft;
using net::DnsAnswer;
using net::DnsType;
using std::chrono::seconds;
using Addresses = std::vector<base::IpAddress>;

constexpr std::size_t targets_max = 1000;
constexpr std::size_t names_to_look_up_max = 64;  // that SRV records name, without an address

std::string too_many(std::size_t most, std::string_view what) {
  return "more than " + std::to_string(most) + " " + std::string(what);
}

// Targets seen within a time, where an answer shows only some of them. The time stands still while
// there are no good answers: nothing could have been shown then.
class Window {
 public:
  explicit Window(Milliseconds length) : length_(length) {}

  // `look` becomes everything seen within the window.
  void widen(Look& look, base::SteadyTime now) {
    if (length_ == Milliseconds::zero()) return;
    // An answer without targets is no good one either: the set is held for as long as `hold` says.
    if (!look.error.empty() || look.targets.empty()) {
      has_gap_ = true;
      return;
    }
    const base::SteadyTime::duration gap =
        std::exchange(has_gap_, false) ? now - good_at_ : base::SteadyTime::duration::zero();
    for (auto& [id, one] : seen_) one.at += gap;
    good_at_ = now;
    for (Found& found : look.targets) {
      std::string id = found.id;
      seen_.insert_or_assign(std::move(id), Seen{std::move(found), now});
    }
    std::erase_if(seen_, [&](const auto& one) { return now - one.second.at > length_; });
    while (seen_.size() > targets_max) {
      seen_.erase(
          std::ranges::min_element(seen_, {}, [](const auto& one) { return one.second.at; }));
    }
    look.targets.clear();
    for (const auto& [id, one] : seen_) look.targets.push_back(one.found);
  }

 private:
  struct Seen {
    Found found;
    base::SteadyTime at;
  };
  Milliseconds length_;
  std::map<std::string, Seen> seen_;
  base::SteadyTime good_at_{};  // the last good look
  bool has_gap_ = false;        // looks after that were not good
};

struct State {
  State(net::Loop& in, const DnsSettings& with)
      : loop(in), settings(with), resolver(in, with.servers), window(with.accumulate) {}

  net::Loop& loop;
  const DnsSettings settings;
  net::DnsResolver resolver;
  Window window;
  std::map<std::string, Addresses> last;  // of the names that the last good look needed
};

// One look while it is under way.
class Questions {
 public:
  explicit Questions(State& state) : state_(state), left_(state.loop, state.settings.timeout) {}

  net::Task<Look> ask() {
    net::Task<> asking = state_.settings.is_srv ? ask_services() : ask_name();
    co_await std::move(asking);
    Look look = std::move(look_);
    if (look.error.empty()) {
      state_.last = std::move(addresses_);
    } else {
      look.targets.clear();
    }
    // What was not answered is asked for again as if there were no lifetime.
    if (has_fault_) lower_ttl(std::chrono::duration_cast<seconds>(state_.settings.refresh));
    if (look.error.empty() && ttl_) {
      look.valid_for =
          std::clamp<Milliseconds>(*ttl_, state_.settings.min_ttl, state_.settings.max_ttl);
    }
    co_return look;
  }

 private:
  net::Task<> ask_name() {
    const DnsSettings& settings = state_.settings;
    net::Task<Addresses> asking = addresses_of(settings.name, 1, look_.error);
    const Addresses addresses = co_await std::move(asking);
    for (const base::IpAddress& address : addresses) add(address, settings.port, 1);
    addresses_.emplace(settings.name, addresses);
  }

  net::Task<> ask_services() {
    const std::string name = state_.settings.name;
    net::Task<DnsAnswer> asking = ask_one(name, DnsType::srv, 1, look_.error);
    const DnsAnswer answer = co_await std::move(asking);
    if (answer.ill_formed > 0) note(name + " SRV: a target is no name, and is passed over");
    const auto groups = by_priority(answer.services);
    for (std::size_t i = 0; i < groups.size() && look_.targets.empty(); ++i) {
      const std::vector<std::uint32_t> weights = target_weights(groups[i]);
      std::string fault;
      bool is_resolved = false;
      for (std::size_t j = 0; j < groups[i].size() && look_.error.empty(); ++j) {
        net::Task<> adding = add_service(groups[i][j], weights[j], answer,
                                         groups[i].size() > 1 ? 2 : 1, fault, is_resolved);
        co_await std::move(adding);
      }
      // With nothing fresh it is no answer, and no reason to use the next priority.
      if (look_.error.empty() && !fault.empty() && !is_resolved) look_.error = std::move(fault);
      if (!look_.error.empty()) co_return;
    }
  }

  // Its addresses are those that came along, else they are asked for. One name that fails leaves
  // the others alone: it keeps the addresses that it had.
  net::Task<> add_service(const net::DnsService& service, std::uint32_t weight,
                          const DnsAnswer& answer, std::uint32_t share, std::string& first_fault,
                          bool& is_resolved) {
    auto known = addresses_.find(service.target);
    if (known == addresses_.end()) {
      Addresses addresses = additional_of(service.target, answer);
      if (addresses.empty()) {
        if (++looked_up_ > names_to_look_up_max) {
          look_.error = state_.settings.name +
                        " SRV: " + too_many(names_to_look_up_max, "names without an address");
          co_return;
        }
        std::string fault;
        net::Task<Addresses> asking = addresses_of(service.target, share, fault);
        addresses = co_await std::move(asking);
        if (!fault.empty()) {
          keep_last(service.target, addresses, fault);
          if (first_fault.empty()) first_fault = std::move(fault);
        } else {
          is_resolved = is_resolved || !addresses.empty();
        }
      } else {
        is_resolved = true;
      }
      known = addresses_.emplace(service.target, std::move(addresses)).first;
    }
    for (const base::IpAddress& address : known->second) add(address, service.port, weight);
  }

  Addresses additional_of(const std::string& name, const DnsAnswer& answer) {
    Addresses addresses;
    for (const net::DnsNamedAddress& one : answer.additional) {
      const auto refused =
          one.address.is_v4() ? DnsSettings::Family::ipv6 : DnsSettings::Family::ipv4;
      if (one.name != name || state_.settings.family == refused) continue;
      addresses.push_back(one.address);
      lower_ttl(one.ttl);
    }
    return addresses;
  }

  void note(std::string text) {
    if (look_.note.empty()) look_.note = std::move(text);
  }

  // Adds the addresses that `name` had, of IPv6 alone or all.
  void keep_last(const std::string& name, Addresses& addresses, const std::string& fault,
                 bool is_v6_alone = false) {
    has_fault_ = true;
    note(fault + "; its last addresses stay");
    const auto last = state_.last.find(name);
    if (last == state_.last.end()) return;
    for (const base::IpAddress& address : last->second) {
      if (!is_v6_alone || !address.is_v4()) addresses.push_back(address);
    }
  }

  // A name that is not there is asked for once. With a fault there are none, but for a failure of
  // AAAA beside addresses of A: some name servers never answer for it.
  net::Task<Addresses> addresses_of(std::string name, std::uint32_t share, std::string& fault) {
    Addresses addresses;
    for (const DnsType type : {DnsType::a, DnsType::aaaa}) {
      const auto refused =
          type == DnsType::a ? DnsSettings::Family::ipv6 : DnsSettings::Family::ipv4;
      if (state_.settings.family == refused) continue;
      std::string failed;
      net::Task<DnsAnswer> asking = ask_one(name, type, share, failed);
      const DnsAnswer answer = co_await std::move(asking);
      if (!failed.empty()) {
        if (addresses.empty()) {
          fault = std::move(failed);
        } else {
          keep_last(name, addresses, failed, true);
        }
        co_return addresses;
      }
      addresses.insert(addresses.end(), answer.addresses.begin(), answer.addresses.end());
      if (!answer.is_known_name) break;
    }
    co_return addresses;
  }

  // In the time that is left, divided by `share`: silence about one name leaves some for others.
  net::Task<DnsAnswer> ask_one(std::string name, DnsType type, std::uint32_t share,
                               std::string& fault) {
    net::Task<DnsAnswer> asking = state_.resolver.ask(name, type, left_() / share);
    DnsAnswer answer = co_await std::move(asking);
    if (!answer.error.empty()) {
      fault = name + ' ' + std::string(text_of(type)) + ": " + answer.error;
      co_return answer;
    }
    if (answer.ttl) lower_ttl(*answer.ttl);
    if (!answer.is_known_name) note(name + ": no such name");
    co_return answer;
  }

  void add(const base::IpAddress& address, std::uint16_t port, std::uint32_t weight) {
    if (!look_.error.empty()) return;
    if (look_.targets.size() >= targets_max) {
      look_.error = state_.settings.name + ": " + too_many(targets_max, "targets");
      return;
    }
    Found found;
    found.endpoint = net::Endpoint::numeric(address.text(), port).value_or(net::Endpoint());
    found.id = found.endpoint.text();
    found.weight = weight;
    look_.targets.push_back(std::move(found));
  }

  void lower_ttl(seconds ttl) { ttl_ = std::min(ttl_.value_or(ttl), ttl); }

  State& state_;
  TimeLeft left_;
  Look look_;
  std::optional<seconds> ttl_;
  std::map<std::string, Addresses> addresses_;  // of the name, or of targets of SRV records
  bool has_fault_ = false;                      // a question failed, and the look did not
  std::size_t looked_up_ = 0;
};

// Holds what it uses: it may be destroyed before or after the provider.
net::Task<Look> look_at(std::shared_ptr<State> state) {
  Questions questions(*state);
  net::Task<Look> asking = questions.ask();
  Look look = co_await std::move(asking);
  state->window.widen(look, state->loop.clock.now());
  co_return look;
}

class DnsProvider final : public Provider {
 public:
  DnsProvider(net::Loop& loop, const DnsSettings& settings)
      : state_(std::make_shared<State>(loop, settings)) {}

  [[nodiscard]] net::Task<Look> look() override { return look_at(state_); }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace

std::unique_ptr<Provider> make_dns_provider(net::Loop& loop, const DnsSettings& settings) {
  return std::make_unique<DnsProvider>(loop, settings);
}

}  // namespace sluice::control::discovery
