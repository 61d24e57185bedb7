#include "notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace strandline::tool {
Result<void> notify(const std::string& state) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || *path == '\0') {
    return {};
  }
  ::sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  if (length >= sizeof(address.sun_path)) {
    return fail(Errc::invalid_argument, "NOTIFY_SOCKET: too long");
  }
  std::memcpy(address.sun_path, path, length);
  if (*path == '@') {
    address.sun_path[0] = '\0';  // abstract
  }
  std::string text = state;
  if (state == "RELOADING=1") {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();  // CLOCK_MONOTONIC
    text += "\nMONOTONIC_USEC=" + std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  }
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto size = static_cast<::socklen_t>(offsetof(::sockaddr_un, sun_path) + length);
  const bool sent = fd >= 0 && ::sendto(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                                        reinterpret_cast<const ::sockaddr*>(&address), size) >= 0;
  const int error = errno;
  if (fd >= 0) {
    ::close(fd);
  }
  return sent ? Result<void>() : fail(Error::system(error, "NOTIFY_SOCKET", path));
}

}  // namespace strandline::tool
