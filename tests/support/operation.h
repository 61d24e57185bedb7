// Operation: one step of a program that runs on a resource and on its model; and how bytes become one.
// Threads: values. Blocks: never. Errors: none, every input is a program. Cost: none worth naming. Lifetime: values.
// The input: three bytes of setting (driver, place, window), then five bytes a step: kind, two ends, details, the
// failing call.
#pragma once

#include <tests/support/model.h>

#include <cstdint>
#include <span>
#include <string>

namespace strandline::testing {

struct Operation {
  enum class Kind : std::uint8_t {
    write,       // begin, size, variant, slot
    set_length,  // begin
    commit,      // begin when `flag`
    fail,
    abandon,  // stop when `flag`
    drop_writer,
    sync,
    take_writer,
    reactivate,  // rewrite when `flag`
    cancel,      // by the owner's stop_token when `flag`
    interrupt,
    read,
    wait_read,
    wait,        // any when `flag`
    async_wait,  // likewise
    stop_wait,
    contains,
    next_gap,
    open_cursor,
    read_cursor,
    seek_cursor,
    drop_cursor,
    open_view,
    drop_view,
    subscribe,
    unsubscribe,
    evict
  };
  static constexpr unsigned kKinds = 27;

  Kind kind = Kind::write;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint8_t slot = 0;     // 0 or 1: which writer, cursor or view; or which parked wait
  std::uint8_t variant = 0;  // of the bytes to write, 0 to 3
  bool flag = false;
  bool stopped = false;    // the call's stop_token has been requested
  std::uint8_t fault = 0;  // which allocation or driver call fails; 0: none

  [[nodiscard]] ByteRange range() const noexcept { return {begin, end}; }
  [[nodiscard]] std::uint64_t size() const noexcept { return range().size(); }
};
[[nodiscard]] std::string to_string(const Operation& operation);

// What the first bytes of an input choose.
struct Setting {
  enum class Driver : std::uint8_t { memory, mmap, ring, scripted };
  enum class Faults : std::uint8_t { none, allocations, driver };
  Driver driver = Driver::memory;
  Faults faults = Faults::none;
  Universe universe;
  std::uint64_t capacity = 0;  // of a ring, in bytes
  Overflow overflow = Overflow::overwrite;
  std::optional<std::uint64_t> committed;  // opens complete, with so many bytes
};
[[nodiscard]] std::string to_string(const Setting& setting);

inline constexpr std::size_t kSettingBytes = 3;
inline constexpr std::size_t kOperationBytes = 5;
// How far [0, base) may reach for a program to write it.
inline constexpr std::uint64_t kWritablePrefix = 8192;

// Precondition: kSettingBytes, kOperationBytes of them.
[[nodiscard]] Setting decode_setting(std::span<const std::uint8_t> bytes);
[[nodiscard]] Operation decode_operation(const Universe& universe, std::span<const std::uint8_t> bytes);

}  // namespace strandline::testing
