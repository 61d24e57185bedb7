// Failure: the few ways in which the file drivers turn what went wrong into an Error.
// Threads: pure functions. Blocks: never. Errors: making one never throws. Cost: one string.
// Lifetime: values.
#pragma once

#include <strandline/base/error.h>

#include <exception>
#include <new>
#include <string>
#include <string_view>

namespace strandline::file {

// An error of ours about a file: "what name".
[[nodiscard]] inline tl::unexpected<Error> about(Errc code, std::string_view what, std::string_view name) noexcept {
  Error error = Error::system(0, what, name);
  error.code = code;
  error.cause.clear();
  return tl::unexpected<Error>(std::move(error));
}

// Hands an error on to a caller that answers another type.
template <class T>
[[nodiscard]] tl::unexpected<Error> same_error(const Result<T>& result) noexcept {
  return tl::unexpected<Error>(result.error().clone());
}

// Turns what may be thrown on the way (bad_alloc, filesystem_error) into an Error.
template <class F>
[[nodiscard]] auto contained(F&& body) noexcept -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "file driver");
  } catch (const std::exception& error) {
    return fail(Errc::io, error.what());
  }
}

}  // namespace strandline::file
