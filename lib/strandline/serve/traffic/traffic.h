// Traffic: what the server has sent and who waited how long, counted while it happens; and who reads what just now.
// Threads: any. Blocks: never, but for the set of readers: a lock when a connection begins and ends, and while they are
// looked at. Errors: none; adding throws bad_alloc. Cost: additions to counters that threads do not share. Lifetime:
// its readers keep it.
#pragma once

#include <strandline/base/byte_range.h>
#include <strandline/base/mutex.h>
#include <strandline/fill/durations.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace strandline::serve {

struct TrafficTotals {
  std::map<int, std::uint64_t> answers;  // by status; each request has one
  std::uint64_t broken_off = 0;          // of those: less came than the answer said
  std::uint64_t hit_bytes = 0;           // sent that were there when the request came
  std::uint64_t miss_bytes = 0;          // sent that had to be waited for
  std::uint64_t passed_bytes = 0;        // sent past the store, to one client only
  fill::Durations::Snapshot waits;       // for bytes

  [[nodiscard]] std::uint64_t requests() const noexcept;
  // 5xx, and what was broken off.
  [[nodiscard]] std::uint64_t errors() const noexcept;
  [[nodiscard]] std::uint64_t sent_bytes() const noexcept { return hit_bytes + miss_bytes; }
};

// One who reads, at one moment.
struct ReaderState {
  std::uint64_t id = 0;
  std::string client;
  std::uint64_t object = 0;  // as object_id() has it
  ByteRange range;           // of the object
  std::uint64_t at = 0;
  std::optional<ByteRange> waiting;
  std::chrono::milliseconds waited{0};
};

// Of an object, by its entry's name. Not for what must not be mistaken: FNV-1a.
[[nodiscard]] std::uint64_t object_id(std::string_view name) noexcept;

class Reader;

class Traffic : public std::enable_shared_from_this<Traffic> {
 public:
  // For a connection: `client` is its address and port.
  [[nodiscard]] std::shared_ptr<Reader> add_reader(std::string client);
  [[nodiscard]] TrafficTotals totals() const;
  // Those that are reading.
  [[nodiscard]] std::vector<ReaderState> readers() const STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] std::size_t connections() const STRANDLINE_EXCLUDES(mutex_);

 private:
  friend class Reader;
  // Of some of the threads. Relaxed: nothing else is told by them.
  struct alignas(64) Counters {
    std::array<std::atomic<std::uint32_t>, 600> answers{};
    std::atomic<std::uint64_t> broken_off{0};
    std::atomic<std::uint64_t> hit_bytes{0};
    std::atomic<std::uint64_t> miss_bytes{0};
    std::atomic<std::uint64_t> passed_bytes{0};
    fill::Durations waits;
  };
  // This thread's.
  [[nodiscard]] Counters& counters() noexcept;
  [[nodiscard]] std::uint64_t add(const Reader& reader) STRANDLINE_EXCLUDES(mutex_);
  void remove(const Reader& reader) noexcept STRANDLINE_EXCLUDES(mutex_);

  std::array<Counters, 16> counters_;
  mutable Mutex mutex_;  // a leaf
  std::uint64_t last_id_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  std::set<const Reader*> readers_ STRANDLINE_GUARDED_BY(mutex_);
};

}  // namespace strandline::serve
