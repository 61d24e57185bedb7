// Does a thread sleep in the kernel? For who must know that another has gone to wait, of which nothing else tells.
// Threads: any. Blocks: no. Errors: false for a thread that has ended. Cost: a read of /proc. Lifetime: none.
#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace strandline::testing {

// proc(5), /proc/pid/task/tid/stat: the state letter stands after the name, which is in parentheses and may hold any
// character.
[[nodiscard]] inline bool sleeps(pid_t thread) {
  const std::string path = "/proc/self/task/" + std::to_string(thread) + "/stat";
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return false;
  }
  char text[512];
  const auto size = ::read(descriptor, text, sizeof text);
  ::close(descriptor);
  const std::string_view stat(text, size > 0 ? static_cast<std::size_t>(size) : 0);
  const std::size_t name_end = stat.rfind(')');
  return name_end != std::string_view::npos && name_end + 2 < stat.size() && stat[name_end + 2] == 'S';
}

}  // namespace strandline::testing
