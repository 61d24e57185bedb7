#include <tests/origin/http/network_faults.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string_view>
#include <vector>

namespace strandline::testing {
namespace {

struct Net {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;  // a NetworkFaults lives
  int waiting = 0;    // lookups of slow.test
  std::map<std::string, int> asked;
  std::map<int, std::uint32_t> peers;  // descriptors that were connected to a public address
  std::atomic<int> connections{0};
};

Net& net() {
  static Net* const one = new Net;  // libcurl's threads may outlive main()
  return *one;
}

// 203.0.113.0/24 is documentation's (RFC 5737), and so nobody's.
constexpr std::uint32_t kPublic = 0xcb007100;
bool is_public(std::uint32_t address) {
  return (address & 0xffffff00) == kPublic;
}

std::vector<std::uint32_t> addresses_of(const std::string& name) {
  Net& in = net();
  std::unique_lock lock(in.mutex);
  ++in.asked[name];
  in.changed.notify_all();
  if (name == "slow.test") {
    ++in.waiting;
    in.changed.wait(lock, [&in] { return !in.open; });
    --in.waiting;
    in.changed.notify_all();
  }
  const std::map<std::string, std::vector<std::uint32_t>> names = {
      {"public.test", {kPublic + 1}},
      {"elsewhere.test", {kPublic + 2}},
      {"private.test", {INADDR_LOOPBACK}},
      {"both.test", {INADDR_LOOPBACK, kPublic + 1}},
  };
  const auto it = names.find(name);
  return in.open && it != names.end() ? it->second : std::vector<std::uint32_t>();
}

}  // namespace

NetworkFaults::NetworkFaults() {
  const std::lock_guard lock(net().mutex);
  net().open = true;
  net().asked.clear();
  net().connections = 0;
}

NetworkFaults::~NetworkFaults() {
  std::unique_lock lock(net().mutex);
  net().open = false;
  net().changed.notify_all();
  net().changed.wait(lock, [] { return net().waiting == 0; });
}

void NetworkFaults::wait_until_asked(const std::string& name, int times) const {
  std::unique_lock lock(net().mutex);
  net().changed.wait(lock, [&] { return net().asked[name] >= times; });
}

int NetworkFaults::connections() const {
  return net().connections.load();
}

// Named apart from libc's declarations; the linker sees the labels.
extern "C" {

int replaced_connect(int, const sockaddr*, socklen_t) __asm__("connect");
int replaced_connect(int fd, const sockaddr* address, socklen_t size) {
  sockaddr_storage copy{};
  std::memcpy(&copy, address, std::min<std::size_t>(size, sizeof(copy)));
  auto* const in = reinterpret_cast<sockaddr_in*>(&copy);
  ++net().connections;
  {
    const std::lock_guard lock(net().mutex);
    net().peers.erase(fd);
    if (copy.ss_family == AF_INET && is_public(ntohl(in->sin_addr.s_addr))) {
      net().peers[fd] = in->sin_addr.s_addr;
      in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
  }
  return static_cast<int>(::syscall(SYS_connect, fd, &copy, size));
}

int replaced_getpeername(int, sockaddr*, socklen_t*) __asm__("getpeername");
int replaced_getpeername(int fd, sockaddr* address, socklen_t* size) {
  const int result = static_cast<int>(::syscall(SYS_getpeername, fd, address, size));
  const std::lock_guard lock(net().mutex);
  const auto it = net().peers.find(fd);
  if (result == 0 && it != net().peers.end()) {
    reinterpret_cast<sockaddr_in*>(address)->sin_addr.s_addr = it->second;
  }
  return result;
}

// Freed by libc's freeaddrinfo: each is one block.
int replaced_getaddrinfo(const char*, const char*, const addrinfo*, addrinfo**) __asm__("getaddrinfo");
int replaced_getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** out) {
  addrinfo* first = nullptr;
  addrinfo** last = &first;
  for (const std::uint32_t address : addresses_of(name)) {
    auto* const info = static_cast<addrinfo*>(std::calloc(1, sizeof(addrinfo) + sizeof(sockaddr_in)));
    auto* const in = reinterpret_cast<sockaddr_in*>(info + 1);
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(address);
    in->sin_port = htons(static_cast<in_port_t>(service == nullptr ? 0 : std::atoi(service)));
    info->ai_family = AF_INET;
    info->ai_socktype = hints == nullptr ? SOCK_STREAM : hints->ai_socktype;
    info->ai_addrlen = sizeof(sockaddr_in);
    info->ai_addr = reinterpret_cast<sockaddr*>(in);
    *last = info;
    last = &info->ai_next;
  }
  *out = first;
  return first == nullptr ? EAI_NONAME : 0;
}

}  // extern "C"

}  // namespace strandline::testing
