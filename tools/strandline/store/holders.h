// Holders: the processes that hold locks on a file, as far as /proc lets the caller see.
// Threads: pure functions. Blocks: on /proc. Errors: none: what cannot be seen is missing. Cost: a look at every open
// file of every process that may be looked at. Lifetime: values; a process may have ended by the time it is named.
#pragma once

#include <strandline/base/byte_range.h>

#include <string>
#include <vector>

namespace strandline::tool {

struct Holder {
  long pid = 0;
  std::string command;           // as ps(1) names it
  std::vector<ByteRange> holds;  // of open file descriptions that it has, shared and exclusive ones
};

// Open-file-description locks name no process (fcntl(2)): F_OFD_GETLK answers -1. /proc/PID/fdinfo has them per file.
[[nodiscard]] std::vector<Holder> holders_of(const std::string& path);

}  // namespace strandline::tool
