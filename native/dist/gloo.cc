// Gloo, for tensors on CPUs. Compiled in where Gloo's headers lie beside libtorch's (Debian: libgloo-dev).
#include "group.h"

#ifdef USE_C10D_GLOO
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sstream>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

namespace csrm::dist {

namespace {

// The address of this machine from which packets to the host leave: the one that the others can answer to. Nothing is sent.
std::string address_towards(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
    throw std::runtime_error("the name " + host + " is not known");
  std::string result;
  for (const addrinfo* each = found; each && result.empty(); each = each->ai_next) {
    const int socket = ::socket(each->ai_family, SOCK_DGRAM, 0);
    if (socket < 0) continue;
    sockaddr_storage own{};
    socklen_t length = sizeof own;
    char text[NI_MAXHOST];
    if (connect(socket, each->ai_addr, each->ai_addrlen) == 0 && getsockname(socket, reinterpret_cast<sockaddr*>(&own), &length) == 0 &&
        getnameinfo(reinterpret_cast<sockaddr*>(&own), length, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
      result = text;
    close(socket);
  }
  freeaddrinfo(found);
  if (result.empty()) throw std::runtime_error("no way from this machine to " + host);
  return result;
}

}  // namespace

c10::intrusive_ptr<Backend> make_gloo(const c10::intrusive_ptr<c10d::Store>& store, const Settings& settings) {
  auto options = c10d::ProcessGroupGloo::Options::create(settings.timeout);
  std::stringstream names(settings.interfaces);
  for (std::string name; std::getline(names, name, ',');) options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForInterface(name));
  if (options->devices.empty())
    options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(address_towards(settings.host, settings.port)));
  auto own = c10::make_intrusive<c10d::PrefixStore>("gloo", store);
  return c10::make_intrusive<c10d::ProcessGroupGloo>(own, settings.rank, settings.size, options);
}

}  // namespace csrm::dist
#else
namespace csrm::dist {
c10::intrusive_ptr<Backend> make_gloo(const c10::intrusive_ptr<c10d::Store>&, const Settings&) { return {}; }
}  // namespace csrm::dist
#endif
