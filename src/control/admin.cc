#include "sluice/control/admin.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "control/admin_api.h"
#include "control/admin_connection.h"
#include "control/admin_socket.h"
#include "sluice/net/asio_task.h"
#include "sluice/observe/log.h"

namespace sluice::control {
namespace {

namespace asio = boost::asio;

constexpr std::size_t connections_max = 64;
constexpr std::chrono::milliseconds accept_pause{100};  // when descriptors have run out

constexpr auto as_values = asio::as_tuple(asio::use_awaitable_t<net::Executor>{});

}  // namespace

// A socket that accepts, and all that ends with it.
struct AdminServer::Acceptor {
  Acceptor(asio::io_context& context, AdminSocket opened)
      : socket(std::move(opened)),
        is_unix_socket(socket.bound().family() == AF_UNIX),
        is_public(!is_unix_socket && !is_loopback(socket.bound().address())),
        acceptor(context),
        pause(context) {}

  // Empty text, or why the io_context does not take the socket.
  [[nodiscard]] std::string start() {
    boost::system::error_code error;
    const AdminConnection::Protocol protocol(socket.bound().family(), 0);
    const int descriptor = socket.release_descriptor();
    acceptor.assign(protocol, descriptor, error);
    if (!error) return {};
    ::close(descriptor);
    return error.message();
  }

  void close() {
    boost::system::error_code ignored;
    acceptor.close(ignored);
    pause.cancel();
    socket = AdminSocket();  // removes the file
  }

  AdminSocket socket;
  bool is_unix_socket;
  bool is_public;
  asio::basic_socket_acceptor<AdminConnection::Protocol, net::Executor> acceptor;
  asio::steady_timer pause;
};

// Shared with the coroutines, which end some time after the server was closed or destroyed.
class AdminServer::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& context, AdminHooks hooks)
      : context_(context), hooks_(std::move(hooks)) {}

  std::shared_ptr<Acceptor> open(const net::Endpoint& endpoint, std::string& error,
                                 bool has_tokens) const;
  void use_tokens(std::shared_ptr<const AdminTokens> tokens) { tokens_ = std::move(tokens); }
  void use(const std::shared_ptr<Acceptor>& opened);
  void close();
  [[nodiscard]] bool serves(const net::Endpoint& endpoint) const;
  [[nodiscard]] std::optional<net::Endpoint> bound() const;

 private:
  using Connection = std::shared_ptr<AdminConnection>;

  static net::AsioTask<> accept(std::shared_ptr<State> state, std::shared_ptr<Acceptor> acceptor);
  static net::AsioTask<> serve(std::shared_ptr<State> state, Connection connection);
  void admit(AdminConnection::Socket socket, const Acceptor& acceptor);
  bool make_room();

  asio::io_context& context_;
  AdminHooks hooks_;
  std::shared_ptr<const AdminTokens> tokens_;
  std::shared_ptr<Acceptor> acceptor_;
  std::vector<Connection> connections_;
};

bool AdminServer::State::serves(const net::Endpoint& endpoint) const {
  return acceptor_ != nullptr && acceptor_->socket.serves(endpoint);
}

std::shared_ptr<AdminServer::Acceptor> AdminServer::State::open(const net::Endpoint& endpoint,
                                                                std::string& error,
                                                                bool has_tokens) const {
  if (serves(endpoint)) return acceptor_;
  AdminSocket socket;
  error = socket.open(endpoint, has_tokens);
  if (!error.empty()) return nullptr;
  auto acceptor = std::make_shared<Acceptor>(context_, std::move(socket));
  error = acceptor->start();
  return error.empty() ? acceptor : nullptr;
}

void AdminServer::State::use(const std::shared_ptr<Acceptor>& opened) {
  if (opened == acceptor_) return;
  if (acceptor_ != nullptr) acceptor_->close();
  for (const Connection& connection : connections_) connection->finish();
  acceptor_ = opened;
  net::spawn(context_, accept(shared_from_this(), acceptor_));
}

void AdminServer::State::close() {
  if (acceptor_ != nullptr) acceptor_->close();
  acceptor_.reset();
  for (const Connection& connection : connections_) connection->cut();
}

std::optional<net::Endpoint> AdminServer::State::bound() const {
  if (acceptor_ == nullptr) return std::nullopt;
  return acceptor_->socket.bound();
}

net::AsioTask<> AdminServer::State::accept(std::shared_ptr<State> state,
                                           std::shared_ptr<Acceptor> acceptor) {
  while (acceptor->acceptor.is_open()) {
    auto accepted = co_await acceptor->acceptor.async_accept(as_values);
    // Accepted just before it was closed: nobody is here to answer.
    if (!acceptor->acceptor.is_open()) co_return;
    const boost::system::error_code error = std::get<0>(accepted);
    if (!error) {
      state->admit(std::move(std::get<1>(accepted)), *acceptor);
    } else if (error != asio::error::connection_aborted) {
      acceptor->pause.expires_after(accept_pause);
      co_await acceptor->pause.async_wait(as_values);
    }
  }
}

void AdminServer::State::admit(AdminConnection::Socket socket, const Acceptor& acceptor) {
  if (connections_.size() >= connections_max && !make_room()) return;  // closes the new one
  const auto answer_request = [this, is_public = acceptor.is_public](AdminRequest request) {
    request.source.is_public = is_public;
    return answer(std::move(request), hooks_, tokens_.get());
  };
  auto connection =
      std::make_shared<AdminConnection>(std::move(socket), acceptor.is_unix_socket, answer_request);
  connections_.push_back(connection);
  net::spawn(context_, serve(shared_from_this(), std::move(connection)));
}

// Gives up the connection whose peer has kept us waiting for longest, for a request or the rest of
// one: whoever leaks connections or sends half requests must not lock the operator out. False when
// all are being answered.
bool AdminServer::State::make_room() {
  const auto longest = std::ranges::min_element(connections_, {}, [](const Connection& connection) {
    return std::pair(!connection->is_waiting(), connection->waiting_since());
  });
  if (!(*longest)->is_waiting()) return false;
  (*longest)->cut();
  connections_.erase(longest);
  return true;
}

net::AsioTask<> AdminServer::State::serve(std::shared_ptr<State> state, Connection connection) {
  co_await connection->run();
  std::erase(state->connections_, connection);
}

AdminServer::AdminServer(asio::io_context& context, AdminHooks hooks)
    : state_(std::make_shared<State>(context, std::move(hooks))) {}

AdminServer::~AdminServer() { state_->close(); }

std::shared_ptr<AdminServer::Acceptor> AdminServer::open(const net::Endpoint& endpoint,
                                                         std::string& error,
                                                         bool has_tokens) const {
  return state_->open(endpoint, error, has_tokens);
}

void AdminServer::use_tokens(std::shared_ptr<const AdminTokens> tokens) {
  state_->use_tokens(std::move(tokens));
}

void AdminServer::use(const std::shared_ptr<Acceptor>& opened) { state_->use(opened); }

std::string AdminServer::listen(const net::Endpoint& endpoint) {
  std::string error;
  const std::shared_ptr<Acceptor> opened = open(endpoint, error);
  if (opened != nullptr) use(opened);
  return error;
}

bool AdminServer::serves(const net::Endpoint& endpoint) const { return state_->serves(endpoint); }

void AdminServer::close() { state_->close(); }

std::optional<net::Endpoint> AdminServer::bound() const { return state_->bound(); }

}  // namespace sluice::control
