// What the tests of a resource share: the backends it runs on, known content, answers as words, threads
// that are joined, an observer that keeps a log.
// Threads: as each type says. Blocks: eventually(), until_parked() and join(), with a bound. Errors: a broken
// expectation is a failed REQUIRE. Cost: none worth naming. Lifetime: within one test.
#pragma once

#include <strandline/drivers/memory.h>
#include <strandline/drivers/mmap.h>
#include <strandline/drivers/ring.h>
#include <strandline/resource/resource.h>

#include <doctest/doctest.h>
#include <stdlib.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace strandline::testing {

inline constexpr std::uint64_t kMiB = 1 << 20;

// A test that waits longer than this has failed; nothing waits this long when all is well. tools/planted_bugs, where
// tests fail all the time, sets less.
inline std::chrono::seconds patience() {
  const char* const seconds = std::getenv("STRANDLINE_TEST_PATIENCE_SECONDS");
  return std::chrono::seconds(seconds != nullptr ? std::atoi(seconds) : 60);
}

inline std::chrono::steady_clock::time_point in_good_time() {
  return std::chrono::steady_clock::now() + patience();
}
inline std::chrono::steady_clock::time_point long_ago() {
  return std::chrono::steady_clock::now() - std::chrono::hours(1);
}
// For a wait that must be decided by something else than its deadline.
inline WaitOptions patiently(WaitFor until = WaitFor::all) {
  return {{}, in_good_time(), until};
}
// For a wait that must not park: whatever is the case now, or timed_out.
inline WaitOptions at_once(WaitFor until = WaitFor::all) {
  return {{}, long_ago(), until};
}

// The byte that belongs at an offset, different from its neighbours, from the next page's and the next generation's.
inline std::byte byte_at(std::uint64_t offset, std::uint64_t generation = 1) {
  return static_cast<std::byte>((offset * 131 + (offset >> 8) * 17 + (offset >> 32) * 7 + generation * 59 + 1) & 0xff);
}
inline std::vector<std::byte> content(ByteRange range, std::uint64_t generation = 1) {
  std::vector<std::byte> bytes(range.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = byte_at(range.begin + i, generation);
  }
  return bytes;
}

// Answers as words: "ok", "16", "ready", "[0, 4)", and "!conflict" for an error.
inline std::string word(WaitOutcome outcome) {
  constexpr const char* kWords[] = {"ready", "eof", "timed_out", "interrupted"};
  return kWords[static_cast<int>(outcome)];
}
inline std::string word(std::size_t count) {
  return std::to_string(count);
}
template <class T>
std::string word(const T& /*a handle*/) {
  return "ok";
}
template <class T>
std::string says(const Result<T>& result) {
  if (!result) {
    return "!" + std::string(to_string(result.error().code));
  }
  if constexpr (std::is_void_v<T>) {
    return "ok";
  } else {
    return word(*result);
  }
}
inline std::string says(State state) {
  constexpr const char* kWords[] = {"active", "committed", "failed", "cancelled"};
  return kWords[static_cast<int>(state)];
}
inline std::string says(std::optional<std::uint64_t> number) {
  return number ? std::to_string(*number) : "none";
}
inline std::string says(std::optional<ByteRange> range) {
  return range ? to_string(*range) : "none";
}
inline std::string says(const RangeSet& set) {
  return to_string(set);
}

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "strandline-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline constexpr std::uint64_t kRingCapacity = 4096;  // more than the tests that run on every backend write

inline RingDriver::Options ring_of(std::uint64_t capacity, Overflow overflow = Overflow::overwrite) {
  RingDriver::Options options;
  options.capacity = capacity;
  options.overflow = overflow;
  return options;
}

template <class D>
struct Subject;
template <>
struct Subject<MemoryDriver> {
  MemoryDriver::Options options() { return {}; }
};
template <>
struct Subject<MmapDriver> {
  TempDir directory;
  MmapDriver::Options options() {
    MmapDriver::Options options;
    options.path = directory.path() / "content";
    options.durable_commit = false;
    return options;
  }
};
template <>
struct Subject<RingDriver> {
  RingDriver::Options options() { return ring_of(kRingCapacity); }
};

// TEST_CASE_TEMPLATE("R1: ...", D, STRANDLINE_BACKENDS) reports one case per backend.
#define STRANDLINE_BACKENDS MemoryDriver, MmapDriver, RingDriver

template <class T>
T required(Result<T> result) {
  REQUIRE_MESSAGE(result.has_value(), (result ? std::string() : result.error().message()));
  return std::move(*result);
}

// Reads the whole range and compares: the word for the read, or "wrong bytes".
template <class D>
std::string read_back(const Resource<D>& resource, ByteRange range, std::uint64_t generation = 1) {
  std::vector<std::byte> bytes(range.size());
  const auto count = resource.read_at(range.begin, bytes);
  if (count) {
    bytes.resize(*count);
    if (bytes != content({range.begin, range.begin + *count}, generation)) {
      return "wrong bytes";
    }
  }
  return says(count);
}

template <class D>
std::string write_to(Writer<D>& writer, ByteRange range, std::uint64_t generation = 1) {
  return says(writer.write_at(range.begin, content(range, generation)));
}

// A resource on a backend with its first writer, and the calls of most tests in few words.
template <class D>
struct Opened {
  explicit Opened(ResourceOptions options = {})
      : resource(required(Resource<D>::open(subject.options(), std::move(options)))),
        writer(required(resource.writer())) {}
  explicit Opened(typename D::Options driver_options, ResourceOptions options = {})
      : resource(required(Resource<D>::open(std::move(driver_options), std::move(options)))),
        writer(required(resource.writer())) {}

  std::string write(ByteRange range, std::uint64_t generation = 1) { return write_to(writer, range, generation); }
  [[nodiscard]] std::string read(ByteRange range, std::uint64_t generation = 1) const {
    return read_back(resource, range, generation);
  }
  [[nodiscard]] std::string available() const { return says(required(resource.available())); }
  // What a wait says that may not park.
  [[nodiscard]] std::string waits(ByteRange range, WaitFor until = WaitFor::all) const {
    return says(resource.wait_range(range, at_once(until)));
  }
  [[nodiscard]] std::string state() const { return says(resource.status().state); }
  void next_writer(Reactivate mode) { writer = required(resource.reactivate(mode)); }

  Subject<D> subject;  // may own a directory: goes last
  Resource<D> resource;
  Writer<D> writer;
};

// Calls the condition until it holds; false when that takes longer than anything should.
template <class Condition>
[[nodiscard]] bool eventually(Condition condition) {
  const auto limit = in_good_time();
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}
template <class D>
void until_parked(const Resource<D>& resource, std::uint64_t count) {
  REQUIRE(eventually([&] { return resource.stats().parked == count; }));
}

// A call made on a thread of its own, whose answer is asked for when joining. `let_go` frees a call that the test holds
// up, should the test end before it does so itself.
class InThread {
 public:
  template <class Call>
  explicit InThread(
      Call call, std::function<void()> let_go = [] {})
      : let_go_(std::move(let_go)), thread_([this, call = std::move(call)]() mutable { answer_ = says(call()); }) {}
  InThread(const InThread&) = delete;
  InThread& operator=(const InThread&) = delete;
  ~InThread() {
    if (thread_.joinable()) {
      let_go_();
      thread_.join();
    }
  }
  std::string join() {
    thread_.join();
    return answer_;
  }

 private:
  std::function<void()> let_go_;
  std::string answer_;
  std::thread thread_;  // last: it uses what is above
};

// How an async_wait ended: "pending" so far, a word as above, or "twice".
class Outcome {
 public:
  [[nodiscard]] std::function<void(Result<WaitOutcome>)> callback() {
    return [state = state_](Result<WaitOutcome> outcome) {
      const std::scoped_lock lock(state->mutex);
      state->answer = state->answer == "pending" ? says(outcome) : "twice";
      state->context = outcome ? std::string() : outcome.error().context;
    };
  }
  [[nodiscard]] std::string answer() const {
    const std::scoped_lock lock(state_->mutex);
    return state_->answer;
  }
  [[nodiscard]] std::string context() const {
    const std::scoped_lock lock(state_->mutex);
    return state_->context;
  }
  [[nodiscard]] std::string wait() const {
    (void)eventually([this] { return answer() != "pending"; });
    return answer();
  }

 private:
  struct State {
    std::mutex mutex;
    std::string answer = "pending";
    std::string context;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};
template <class D>
Outcome async(const Resource<D>& resource, ByteRange range, const WaitOptions& options = {}) {
  Outcome outcome;
  resource.async_wait(range, options, outcome.callback());
  return outcome;
}

// Keeps a log of what it is told, "write [0, 4)", and calls `then` from inside the callback.
class RecordingObserver final : public AvailabilityObserver {
 public:
  void on_write(ByteRange range) noexcept override { note("write " + to_string(range)); }
  void on_evict(ByteRange range) noexcept override { note("evict " + to_string(range)); }
  void on_commit(std::uint64_t length) noexcept override { note("commit " + std::to_string(length)); }
  void on_fail(const Error& error) noexcept override { note("fail " + std::string(to_string(error.code))); }
  void on_reactivate(std::uint64_t generation) noexcept override { note("reactivate " + std::to_string(generation)); }

  [[nodiscard]] std::vector<std::string> log() const {
    const std::scoped_lock lock(mutex_);
    return log_;
  }
  // The log so far, one line; and starts a new one.
  [[nodiscard]] std::string take() {
    const std::scoped_lock lock(mutex_);
    std::string line;
    for (const std::string& entry : log_) {
      line += (line.empty() ? "" : "; ") + entry;
    }
    log_.clear();
    return line;
  }

  std::function<void(const std::string&)> then;  // set before the first event

 private:
  void note(std::string entry) {
    {
      const std::scoped_lock lock(mutex_);
      log_.push_back(entry);
    }
    if (then) {
      then(entry);
    }
  }

  mutable std::mutex mutex_;
  std::vector<std::string> log_;
};

inline ResourceOptions observed_by(std::shared_ptr<AvailabilityObserver> observer) {
  ResourceOptions options;
  options.observers.push_back(std::move(observer));
  return options;
}

}  // namespace strandline::testing
