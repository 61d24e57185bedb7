// Origin: where bytes come from: objects by key, read in ranges, as they arrive. What every backend implements, and
// what fill/ asks.
// Threads: thread-safe; replies and sinks are called on threads of the origin's, or before the call returns, never
// under a lock of the origin's. Blocks: never, but the destructor, which ends what runs and waits for its callbacks.
// Errors: a Failure, for each call exactly one answer. Cost: see each backend. Lifetime: sinks and replies are kept
// until they have been told of the end. tests/origin/conformance.h holds every backend to this.
#pragma once

#include <strandline/base/byte_range.h>
#include <strandline/driver/validator.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace strandline::origin {

// What an origin behind HTTP says of how long its answer holds, and for whom (RFC 9111): fields word for word, the
// lines of each joined by commas; empty: not there.
struct CachingFields {
  std::string cache_control, expires, date, age, last_modified, vary;
  bool sets_cookie = false;
};

// What an origin says of an object.
struct ObjectInfo {
  std::optional<std::uint64_t> size;  // bytes, when it says
  Validator validator;                // none: it tells no versions apart
  bool accepts_ranges = false;        // a read may begin anywhere; else it begins at 0, whatever was asked
  std::string content_type;           // empty: unknown
  CachingFields caching = {};
  // What else it says for whoever gets the object (RFC 9111, section 3.1): lines "Name: value\n", in their order.
  std::string other_fields = {};
};

// Why a call failed, and whether it is worth asking again. Codes: not_found, permission_denied; changed: another
// version than `if_match` is there; invalid_range: the object ends before the range begins; interrupted: the
// stop_token; cancelled: the origin is being destroyed; timed_out; corrupt: it contradicts itself, or the request;
// unsupported; io: all else.
struct Failure {
  Error error;
  bool may_pass = false;                                   // the same request may succeed later
  std::optional<std::chrono::milliseconds> retry_after{};  // not before, says the origin; as it said it, not capped
  std::optional<std::uint64_t> size{};  // of the object, when the refusal says it (RFC 9110, 15.5.17)
  int http_status = 0;                  // by which a server has refused; 0: it was not that

  [[nodiscard]] Failure clone() const noexcept { return {error.clone(), may_pass, retry_after, size, http_status}; }
};

template <class T>
using Outcome = tl::expected<T, Failure>;
// Called exactly once. Must not throw, and be short: it holds up the origin's other transfers.
template <class T>
using Reply = std::function<void(Outcome<T>)>;

struct ReadRequest {
  std::string key;
  // May pass the end of the object, which then ends the read; {0, kMaxOffset}: all of it. Not empty.
  ByteRange range{0, kMaxOffset};
  // Strong: no byte of any other version. Weak: likewise where the origin can tell, else whoever reads compares what
  // begin() is told. None: whatever version is there.
  Validator if_match{};
  // No faster than this, in bytes per second; 0: no limit.
  std::uint64_t max_rate = 0;
  // Not over a connection that stands already: it may be dead.
  bool new_connection = false;
};

// Where a read's bytes go. The calls of one read come one after the other: begin() once, before any byte, and goes_on()
// perhaps; then bytes(); at last end(), exactly once, begin() or not. They must not throw, and take no longer than a
// write to a disk.
class Sink {
 public:
  virtual ~Sink() = default;
  // What is there, and from which offset the bytes will come: the range's begin, or 0 from an origin that cannot do
  // better. An error ends the read with it.
  [[nodiscard]] virtual Result<void> begin(const ObjectInfo& object, std::uint64_t offset) noexcept = 0;
  // Asked where all of the object comes though less was asked for, of an origin without ranges: are the bytes past the
  // range's end wanted, too? To ask again for them would have all that is before them sent once more.
  [[nodiscard]] virtual bool goes_on() noexcept { return false; }
  // The next ones; without gap or overlap, and past the range's end only if it goes_on(). An error ends the read with
  // it.
  [[nodiscard]] virtual Result<void> bytes(std::uint64_t offset, std::span<const std::byte> data) noexcept = 0;
  // Asked between bytes(), again and again: may more come now? Where not, an origin behind a network lets its server
  // wait, and half a mebibyte or so comes all the same; others go on.
  [[nodiscard]] virtual bool has_room() noexcept { return true; }
  // Success: every byte of the range has come, up to the object's end, which object.size then was, if it was told.
  virtual void end(Outcome<void> outcome) noexcept = 0;
};

struct WriteRequest {
  std::string key;
  std::span<const std::byte> content;  // all of it; the caller's, until the reply
  Validator if_match{};                // replaces this version only: else changed
  bool if_absent = false;              // makes a new object only: else changed
};

struct ListRequest {
  std::string prefix;        // of full keys; any letters, not only whole folders
  std::string after;         // a page's `next`; empty: from the start
  std::size_t limit = 1000;  // keys of a page, at the most
};
struct ListPage {
  struct Item {
    std::string key;
    std::optional<std::uint64_t> size;  // bytes, where listing tells
  };
  std::vector<Item> items;          // of folders below, too; by key, byte by byte, where the origin sorts
  std::optional<std::string> next;  // none: this was the last page
};

class Origin {
 public:
  Origin() = default;
  Origin(const Origin&) = delete;
  Origin& operator=(const Origin&) = delete;
  virtual ~Origin() = default;

  // For messages: without passwords and keys.
  [[nodiscard]] virtual std::string name() const = 0;
  // Who serves this key: what has the same name here shares its connections and their limits.
  [[nodiscard]] virtual std::string server(const std::string& /*key*/) const { return name(); }

  virtual void stat(std::string key, Reply<ObjectInfo> reply, std::stop_token stop) noexcept = 0;
  virtual void read(ReadRequest request, std::shared_ptr<Sink> sink, std::stop_token stop) noexcept = 0;

  // What an origin cannot do it answers with unsupported.
  // Readers see the old content or the new, never a mix. The reply tells the new one.
  virtual void write(WriteRequest request, Reply<ObjectInfo> reply, std::stop_token stop) noexcept;
  // No error when there is nothing of the key.
  virtual void remove(std::string key, Reply<void> reply, std::stop_token stop) noexcept;
  virtual void list(ListRequest request, Reply<ListPage> reply, std::stop_token stop) noexcept;

  void exists(std::string key, Reply<bool> reply, std::stop_token stop) noexcept;
  // unsupported when the origin does not say it.
  void size(std::string key, Reply<std::uint64_t> reply, std::stop_token stop) noexcept;
};

}  // namespace strandline::origin
