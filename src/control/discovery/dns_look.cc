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

// Targets seen within a time, where an answer shows only some of them.
class Window {
 public:
  explicit Window(Milliseconds length) : length_(length) {}

  // `look` becomes everything seen within the window.
  void widen(Look& look, base::SteadyTime now) {
    if (length_ == Milliseconds::zero()) return;
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
};

struct State {
  State(net::Loop& in, const DnsSettings& with)
      : loop(in), settings(with), resolver(in, with.servers), window(with.accumulate) {}

  net::Loop& loop;
  const DnsSettings settings;
  net::DnsResolver resolver;
  Window window;
};

// One look while it is under way.
class Questions {
 public:
  explicit Questions(State& state) : state_(state), left_(state.loop, state.settings.timeout) {}

  net::Task<Look> ask() {
    net::Task<> asking = state_.settings.is_srv ? ask_services() : ask_name();
    co_await std::move(asking);
    Look look = std::move(look_);
    if (!look.error.empty()) look.targets.clear();
    if (look.error.empty() && ttl_) {
      look.valid_for =
          std::clamp<Milliseconds>(*ttl_, state_.settings.min_ttl, state_.settings.max_ttl);
    }
    co_return look;
  }

 private:
  net::Task<> ask_name() {
    const DnsSettings& settings = state_.settings;
    net::Task<Addresses> asking = addresses_of(settings.name);
    const Addresses addresses = co_await std::move(asking);
    for (const base::IpAddress& address : addresses) add(address, settings.port, 1);
  }

  net::Task<> ask_services() {
    const std::string name = state_.settings.name;
    net::Task<DnsAnswer> asking = ask_one(name, DnsType::srv);
    const DnsAnswer answer = co_await std::move(asking);
    const auto groups = by_priority(answer.services);
    for (std::size_t i = 0; i < groups.size() && look_.targets.empty(); ++i) {
      const std::vector<std::uint32_t> weights = target_weights(groups[i]);
      for (std::size_t j = 0; j < groups[i].size() && look_.error.empty(); ++j) {
        net::Task<> adding = add_service(groups[i][j], weights[j], answer);
        co_await std::move(adding);
      }
    }
  }

  // Its addresses are those that came along, else they are asked for.
  net::Task<> add_service(const net::DnsService& service, std::uint32_t weight,
                          const DnsAnswer& answer) {
    auto known = addresses_.find(service.target);
    if (known == addresses_.end()) {
      Addresses addresses = additional_of(service.target, answer);
      if (addresses.empty()) {
        if (++looked_up_ > names_to_look_up_max) {
          look_.error = state_.settings.name +
                        " SRV: " + too_many(names_to_look_up_max, "names without an address");
          co_return;
        }
        net::Task<Addresses> asking = addresses_of(service.target);
        addresses = co_await std::move(asking);
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

  // A name that is not there is asked for once.
  net::Task<Addresses> addresses_of(std::string name) {
    Addresses addresses;
    for (const DnsType type : {DnsType::a, DnsType::aaaa}) {
      const auto refused =
          type == DnsType::a ? DnsSettings::Family::ipv6 : DnsSettings::Family::ipv4;
      if (state_.settings.family == refused) continue;
      net::Task<DnsAnswer> asking = ask_one(name, type);
      const DnsAnswer answer = co_await std::move(asking);
      if (!look_.error.empty()) co_return Addresses();
      addresses.insert(addresses.end(), answer.addresses.begin(), answer.addresses.end());
      if (!answer.is_known_name) break;
    }
    co_return addresses;
  }

  net::Task<DnsAnswer> ask_one(std::string name, DnsType type) {
    net::Task<DnsAnswer> asking = state_.resolver.ask(name, type, left_());
    DnsAnswer answer = co_await std::move(asking);
    if (!answer.error.empty()) {
      look_.error = name + ' ' + std::string(text_of(type)) + ": " + answer.error;
      co_return answer;
    }
    if (answer.ttl) lower_ttl(*answer.ttl);
    if (look_.note.empty() && !answer.is_known_name) look_.note = name + ": no such name";
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
  std::map<std::string, Addresses> addresses_;  // of targets of SRV records
  std::size_t looked_up_ = 0;
};

// Holds what it uses: it may be destroyed before or after the provider.
net::Task<Look> look_at(std::shared_ptr<State> state) {
  Questions questions(*state);
  net::Task<Look> asking = questions.ask();
  Look look = co_await std::move(asking);
  if (look.error.empty()) state->window.widen(look, state->loop.clock.now());
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
