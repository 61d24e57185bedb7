// A small internet for the test program: names that are found, or not, or never; and public addresses that lead to
// loopback. The program's own getaddrinfo, connect and getpeername take the place of
// libc's, for libcurl too (network_faults.cpp).
// Threads: one lives at a time; libcurl's threads ask. Blocks: the resolving of slow.test, until it is gone; its
// destructor, until nobody resolves that. Errors: none. Cost: none. Lifetime: a scope.
#pragma once

#include <string>

namespace strandline::testing {

// nowhere.test     is not found
// slow.test        is asked for without an answer while this lives, then not found
// public.test      203.0.113.1, which leads to 127.0.0.1
// elsewhere.test   203.0.113.2, likewise
// private.test     127.0.0.1
// both.test        127.0.0.1, and then 203.0.113.1
class NetworkFaults {
 public:
  NetworkFaults();
  ~NetworkFaults();
  NetworkFaults(const NetworkFaults&) = delete;
  NetworkFaults& operator=(const NetworkFaults&) = delete;

  // Until that many lookups of the name have begun since this lives.
  void wait_until_asked(const std::string& name, int times = 1) const;
  // Attempts to connect, since this lives.
  [[nodiscard]] int connections() const;
};

}  // namespace strandline::testing
