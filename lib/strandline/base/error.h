// Error, Errc and Result<T>: how every fallible function of the library answers.
// Threads: values. Blocks: never. Errors: making an error never throws; when no memory is left the
// context is dropped and the code stays. Cost: one string. Lifetime: owns its context.
#pragma once

#include <string>
#include <string_view>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>

namespace strandline {

// What went wrong, for callers to branch on. The numbers are stable: append only.
enum class Errc {
  invalid_range = 1,       // begin > end, or past 2^63 - 1, or past a known length on a write
  invalid_argument = 2,    // an option that makes no sense
  not_available = 3,       // the bytes have not arrived
  evicted = 4,             // the bytes were there or passed by, and are gone
  committed = 5,           // the content is complete and final
  failed = 6,              // the producer gave up
  cancelled = 7,           // the owner shut the resource down
  incomplete = 8,          // a commit over a gap
  no_writer = 9,           // nobody is going to write the bytes
  busy = 10,               // somebody else holds it
  conflict = 11,           // a write, or a length, that contradicts what is there
  no_space = 12,           // the disk or the quota is full
  no_memory = 13,          // an allocation failed; the state is unchanged
  io = 14,                 // the storage failed or lost bytes
  corrupt = 15,            // stored data that contradicts itself
  unsupported = 16,        // this driver, or this open mode, cannot
  changed = 17,            // the source is not what it was
  too_large = 18,          // past what the storage or a cap allows
  timed_out = 19,          // a deadline passed
  interrupted = 20,        // this call's stop_token, or interrupt()
  not_found = 21,          // no such file or object
  permission_denied = 22,  // not allowed, or a read-only file system
  too_many_files = 23      // the process, or the system, has no descriptor left
};

[[nodiscard]] const std::error_category& strandline_category() noexcept;
[[nodiscard]] std::error_code make_error_code(Errc code) noexcept;
// The name as it is written above: "not_available".
[[nodiscard]] std::string_view to_string(Errc code) noexcept;

struct Error {
  Errc code = Errc::io;
  std::error_code cause;  // the system's word, when it had one
  std::string context;    // what and where, for people

  // Built without throwing: with no memory left, the context is empty.
  [[nodiscard]] static Error make(Errc code, std::string_view context = {}) noexcept;
  // From an errno value; the code is chosen by from_errno().
  [[nodiscard]] static Error system(int errno_value, std::string_view what, std::string_view where = {}) noexcept;
  // A copy whose context may be lost when memory is.
  [[nodiscard]] Error clone() const noexcept;

  // "no_space: write cache/a.part: No space left on device"
  [[nodiscard]] std::string message() const;
};

// ENOSPC, EDQUOT -> no_space; EFBIG (a file size limit) -> too_large; ENOMEM -> no_memory; EACCES, EPERM, EROFS ->
// permission_denied; ENOENT, ENOTDIR -> not_found; EMFILE, ENFILE -> too_many_files; everything else -> io.
[[nodiscard]] Errc from_errno(int errno_value) noexcept;

template <class T>
using Result = tl::expected<T, Error>;

// return fail(Errc::busy, "already has a writer");
[[nodiscard]] inline tl::unexpected<Error> fail(Errc code, std::string_view context = {}) noexcept {
  return tl::unexpected<Error>(Error::make(code, context));
}
[[nodiscard]] inline tl::unexpected<Error> fail(Error error) noexcept {
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace strandline

template <>
struct std::is_error_code_enum<strandline::Errc> : std::true_type {};
