// Reader: a client's connection, as Traffic knows it: what it reads, where it is, what it waits for. Reading, Waiting:
// for as long as it does.
// Threads: its connection's; state() on any. Blocks: never. Errors: none. Cost: a few stores; of what is not all here,
// a look at each gap. Lifetime: the connection's.
#pragma once

#include <strandline/resource/resource.h>
#include <strandline/serve/traffic/traffic.h>

#include <utility>

namespace strandline::serve {

class Reader {
 public:
  Reader(std::shared_ptr<Traffic> traffic, std::string client);
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader();

  // A request has come.
  void asks() noexcept { asked_ = std::chrono::steady_clock::now(); }
  // To each request once, when its answer has ended.
  void answered(int status) noexcept;
  void breaks_off() noexcept;
  void sent(std::uint64_t count) noexcept;
  // Sent past the store.
  void passed(std::uint64_t count) noexcept;
  // Nothing: it is not reading.
  [[nodiscard]] std::optional<ReaderState> state() const;

 private:
  friend class Reading;
  friend class Waiting;
  using Clock = std::chrono::steady_clock;
  // What of a range was there when it was asked for.
  struct Presence {
    std::uint64_t first = 0;   // bytes, before the first gap
    std::uint64_t behind = 0;  // bytes that are there behind it
    std::uint64_t rest = 0;    // bytes from the first gap to the end
  };
  void begin(std::uint64_t object, ByteRange range, Presence presence) noexcept;
  void end() noexcept;
  void waits_for(ByteRange range) noexcept;
  void waited(Clock::duration time) noexcept;

  const std::shared_ptr<Traffic> traffic_;
  const std::string client_;
  std::uint64_t id_ = 0;
  Clock::time_point asked_;
  Presence presence_;
  std::uint64_t sent_ = 0;
  std::uint64_t hits_ = 0;  // of those
  // For state(). Odd while object and range are being changed: what was read meanwhile may be of two of them.
  std::atomic<std::uint64_t> turn_{0};
  std::atomic<std::uint64_t> object_{0};  // 0: it reads nothing
  std::atomic<std::uint64_t> begin_{0};
  std::atomic<std::uint64_t> end_{0};
  std::atomic<std::uint64_t> at_{0};
  std::atomic<std::uint64_t> wait_begin_{0};
  std::atomic<std::uint64_t> wait_end_{0};  // 0: it does not wait
  std::atomic<Clock::rep> waits_since_{0};
};

class Reading {
 public:
  template <class Entry>
  Reading(Reader& reader, std::string_view name, const Entry& resource, ByteRange range,
          std::chrono::steady_clock::time_point opened)
      : reader_(reader) {
    Reader::Presence presence{range.size(), 0, 0};
    if (opened >= reader.asked_ && resource.stats().bytes_written > 0) {
      presence = {0, 0, range.size()};  // what is there came for this request
    } else if (const auto first = resource.next_gap(range.begin, range.end)) {
      presence = {first->begin - range.begin, 0, range.end - first->begin};
      std::uint64_t at = first->end;
      while (const auto gap = at < range.end ? resource.next_gap(at, range.end) : std::nullopt) {
        presence.behind += gap->begin - at;
        at = gap->end;
      }
      // Up to where the content is known to end.
      presence.behind += std::max(at, std::min(range.end, resource.length().value_or(at))) - at;
    }
    reader_.begin(object_id(name), range, presence);
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() { reader_.end(); }

 private:
  Reader& reader_;
};

class Waiting {
 public:
  Waiting(Reader& reader, ByteRange range) noexcept : reader_(reader) { reader_.waits_for(range); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() { reader_.waited(Reader::Clock::now() - since_); }

 private:
  Reader& reader_;
  const Reader::Clock::time_point since_ = Reader::Clock::now();
};

}  // namespace strandline::serve
