// The Driver concept: raw storage for one generation of one resource, and the contract it must keep.
// Threads: see each call below. Blocks: for as long as the storage does. Errors: Result, never an
// exception (one that escapes becomes io or no_memory). Cost: the storage's. Lifetime: the resource owns the driver; a
// view's owner may outlive it. tests/contract/ checks every line here on any driver that joins it.
#pragma once

#include <strandline/base/block_map/block_map.h>
#include <strandline/base/byte_range.h>
#include <strandline/base/range_set.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>

namespace strandline {

// What a driver found when it opened.
struct DriverState {
  std::optional<std::uint64_t> length;  // known when committed, in bytes
  RangeSet available;                   // bytes that read back exactly
  bool committed = false;               // complete and final: [0, *length) is then available
  BlockMap blocks = {};                 // more of them: cheaper than a set for who finds a million runs
};

// What a windowed driver does when a write would push out bytes that a Cursor has not read.
enum class Overflow {
  overwrite,  // the oldest bytes go
  block       // the writer waits for the slowest Cursor
};

// Bytes in place. They stay mapped and unchanged for as long as `owner` lives, whatever becomes of the
// driver, except that a windowed driver may overwrite them once the resource has released its pin.
struct DriverView {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};

// A driver D is default-constructible, and open() is the first call and is made once. The resource
// above it knows what is available, so a driver keeps no range set and is never asked twice.
//
//   open(options)           Prepares the storage. On an error the object is only destroyed.
//   read_at(offset, out)    Reads out.size() > 0 bytes that are available (written, or found by open). May run at the
//                           same time as any other call. Answers the count, 1..out.size(); a storage
//                           that lost bytes (a file cut short) answers io, never made-up bytes.
//   write_at(offset, data)  Writes data.size() > 0 bytes that are not available. Calls may run at the same time on
//                           disjoint ranges. Answers how many were written from the front,
//                           1..data.size(): these read back from now on. An error means that none
//                           of this call's bytes count.
//   commit(length)          Makes [0, length) final and drops what lies past it; no write runs during it, and none
//                           comes after it without reactivate(). After an error the storage is
//                           still writable and commit may be called again; bytes past length may be gone, but not when
//                           the error is no_memory, after which nothing has changed.
//   reactivate()            After commit(): makes the same storage writable again, its bytes kept. Reads may run.
//   storage_len()           Bytes the storage reaches to now. May run at the same time as any other call.
//   path()                  Where the content is or will be found; empty when it has no name.
//
// Destruction without a successful commit gives up what was written since open() or reactivate(), unless the
// driver's own header says that it keeps it; what was committed before stays as it was.
template <class D>
concept Driver = std::default_initializable<D> && requires {
  typename D::Options;
} && requires(D driver, const D& constant, typename D::Options options, std::uint64_t offset, std::span<std::byte> out,
              std::span<const std::byte> data) {
  { driver.open(std::move(options)) } -> std::same_as<Result<DriverState>>;
  { constant.read_at(offset, out) } -> std::same_as<Result<std::size_t>>;
  { driver.write_at(offset, data) } -> std::same_as<Result<std::size_t>>;
  { driver.commit(offset) } -> std::same_as<Result<void>>;
  { driver.reactivate() } -> std::same_as<Result<void>>;
  { constant.storage_len() } -> std::convertible_to<std::uint64_t>;
  { constant.path() } -> std::convertible_to<std::filesystem::path>;
};

// Optional hooks, found by concept.

// rewrite(): a second driver for the next generation, empty and writable, while this one goes on
// serving reads of what it has committed; bytes that it has not may be gone, and reads of them answer io.
// Its successful commit() replaces this one's content in the storage; its destruction without one leaves
// this one's committed content untouched. Without the hook, Reactivate::rewrite is unsupported.
template <class D>
concept HasRewrite = requires(D driver) {
  { driver.rewrite() } -> std::same_as<Result<std::unique_ptr<D>>>;
};

// valid_window(end): the offsets the storage holds when the highest byte written is end - 1: the last `capacity`
// of them, [end - capacity, end), cut off at 0. Pure. overflow(): what to do when the window would move
// past a Cursor. The resource never asks for a byte behind the window, and lets no write begin that
// would overwrite a byte somebody is still reading.
template <class D>
concept HasWindow = requires(const D& driver, std::uint64_t end) {
  { driver.valid_window(end) }
  noexcept->std::same_as<ByteRange>;
  { driver.overflow() }
  noexcept->std::same_as<Overflow>;
};

// view(range): available bytes in place, without a copy.
template <class D>
concept HasView = requires(const D& driver, ByteRange range) {
  { driver.view(range) } -> std::same_as<Result<DriverView>>;
};

// sync(): what has been written survives a power cut once this returns.
template <class D>
concept HasSync = requires(D& driver) {
  { driver.sync() } -> std::same_as<Result<void>>;
};

// set_length(length): the length has become known before the content is complete; no write runs during it. For drivers
// that keep what was written: it is then found again. An error refuses it.
template <class D>
concept HasSetLength = requires(D& driver, std::uint64_t length) {
  { driver.set_length(length) } -> std::same_as<Result<void>>;
};

// evict(range): the bytes are given up and their storage may be reused; nobody writes them meanwhile, views keep what
// they show, and what reads of them answer that are under way is thrown away. Also after commit(): the missing bytes
// may then be written again, without reactivate(), and commit() called again with the same length. After an error they
// may be there or not: nobody asks for them again before they are written. Without the hook, evicting is unsupported.
template <class D>
concept HasEvict = requires(D& driver, ByteRange range) {
  { driver.evict(range) } -> std::same_as<Result<void>>;
};

// may_evict(): asked before the bytes are lost to readers; an error refuses the eviction, and nothing has changed.
template <class D>
concept MayRefuseEviction = HasEvict<D> && requires(const D& driver) {
  { driver.may_evict() } -> std::same_as<Result<void>>;
};

// discard(range): the bytes were evicted and no reader holds them; their storage may be reused. Advice: it cannot fail.
template <class D>
concept HasDiscard = requires(D& driver, ByteRange range) {
  { driver.discard(range) }
  noexcept;
};

}  // namespace strandline
