// Errors of the machinery, which say nothing about the store: NotPossible where a system lacks or refuses what is
// needed, Trouble where what worked before does not. system_call() throws either, with the system's word.
// Threads: any. Blocks: never. Errors: these. Cost: none. Lifetime: values.
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

namespace strandline::testing {

struct NotPossible : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct Trouble : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// `result` of a call that answers -1 and errno.
template <class Failure = Trouble, class Number>
Number system_call(Number result, const std::string& what) {
  if (result < 0) {
    throw Failure(what + ": " + std::system_category().message(errno));
  }
  return result;
}

}  // namespace strandline::testing
