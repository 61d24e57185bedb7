// Many threads on one resource, disturbed at random: every byte anybody reads is checked against what it must be.
// The content is a pure function of (offset, generation), so no reader needs to know what the writers did.
#include <tests/resource/subjects.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <initializer_list>
#include <iostream>
#include <mutex>
#include <random>

using namespace strandline;
using namespace strandline::testing;

namespace {

using Clock = std::chrono::steady_clock;
using Random = std::mt19937_64;

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// What was wrong, said again by the last lines of the program, after doctest's own: a log that is cut at its
// beginning still shows how to repeat it.
struct LastWords {
  LastWords() = default;
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;
  ~LastWords() { std::cout << text << std::flush; }
  std::string text;
} last_words;

// Shared by the threads of one program run; a round is one resource's life.
struct Run {
  explicit Run(const char* called)
      : name(called),
        seed(number_from_environment("STRANDLINE_STRESS_SEED", std::random_device()())),
        end(Clock::now() + std::chrono::milliseconds(number_from_environment("STRANDLINE_STRESS_SECONDS", 4) * 250)) {
    std::cout << "stress " << name << ": STRANDLINE_STRESS_SEED=" << seed << std::endl;
  }
  [[nodiscard]] Random random(std::uint64_t thread) const { return Random(seed + rounds * 1009 + thread * 1000003); }
  // Says what was wrong first, at once, for the threads may not come to their end; the round then ends.
  void expect(bool right, const char* what, const std::string& detail = {}) {
    if (!right && wrong.fetch_add(1) == 0) {
      complaint = what + (detail.empty() ? detail : ": " + detail);
      std::cout << "stress " + name + ": " + complaint + "; round " + std::to_string(rounds) + "\n" << std::flush;
    }
  }
  [[nodiscard]] bool round_over() const { return over.load() || wrong.load() != 0; }
  void yield_for(std::uint64_t some_calls) const {
    const std::uint64_t until = calls.load() + some_calls;
    const auto limit = Clock::now() + std::chrono::milliseconds(20);
    while (calls.load() < until && !round_over() && Clock::now() < limit) {
      std::this_thread::yield();
    }
  }

  const std::string name;
  const std::uint64_t seed;
  const Clock::time_point end;
  std::uint64_t rounds = 0;  // changes between rounds only
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> wrong{0};
  std::string complaint;  // written by who makes `wrong` 1; read when the threads are joined
  std::atomic<std::uint64_t> bytes_checked{0};
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> generations{0};
};

// The codes that a kind of call may answer while everything else happens; any other is a bug.
class Codes {
 public:
  constexpr Codes(std::initializer_list<Errc> codes) {
    for (const Errc code : codes) {
      bits_ |= bit(code);
    }
  }
  [[nodiscard]] constexpr bool has(Errc code) const { return (bits_ & bit(code)) != 0; }
  [[nodiscard]] constexpr Codes with(Codes other) const {
    other.bits_ |= bits_;
    return other;
  }

 private:
  static constexpr std::uint64_t bit(Errc code) { return std::uint64_t{1} << static_cast<unsigned>(code); }
  std::uint64_t bits_ = 0;
};

constexpr Codes kNone{};
constexpr Codes kCancelled{Errc::cancelled};  // the round's end may come before any call

template <class D>
struct Allowed {
  static constexpr bool kRing = std::is_same_v<D, RingDriver>;
  static constexpr Codes kEvicted = kRing ? Codes{Errc::evicted} : kNone;
  static constexpr Codes kRead = kCancelled.with({Errc::not_available}).with(kEvicted);
  // Deadlines and interrupts are outcomes of a wait, but errors of a read that waits.
  static constexpr Codes kWait = kCancelled.with({Errc::failed, Errc::no_writer}).with(kEvicted);
  static constexpr Codes kWaitingRead = kWait.with({Errc::timed_out, Errc::interrupted});
  // Writes go on when their writer has ended or been replaced. Only on a ring interrupt() is meant for them.
  static constexpr Codes kWrite = kCancelled.with({Errc::committed, Errc::failed, Errc::no_writer, Errc::timed_out})
                                      .with(kEvicted)
                                      .with(kRing ? Codes{Errc::interrupted} : kNone);
  static constexpr Codes kSync = std::is_same_v<D, MmapDriver> ? kCancelled : kCancelled.with({Errc::unsupported});
  static constexpr Codes kCommit = kCancelled.with({Errc::incomplete});
  static constexpr Codes kCommitAt = kCommit.with({Errc::conflict});  // with the length that set_length made known
};

template <class T>
void note(Run& run, const Result<T>& result, const char* what, Codes allowed) {
  ++run.calls;
  if (!result && !allowed.has(result.error().code)) {
    run.expect(false, what, result.error().message());
  }
}

// All bytes of one read are of one generation, one that was current between before the read and now.
template <class D>
void check_bytes(Run& run, const Resource<D>& resource, std::uint64_t before, std::uint64_t offset,
                 std::span<const std::byte> bytes) {
  run.bytes_checked += bytes.size();
  const std::uint64_t now = resource.status().generation;
  bool right = bytes.empty();
  for (std::uint64_t generation = before; generation <= now && !right; ++generation) {
    right = true;
    for (std::size_t i = 0; i < bytes.size() && right; ++i) {
      right = bytes[i] == byte_at(offset + i, generation);
    }
  }
  run.expect(right, "a read of bytes of no current generation, or of two");
}

constexpr std::uint64_t kSize = 12000;  // three times a ring's capacity

ByteRange some_range(Random& random, std::uint64_t longest) {
  const std::uint64_t begin = random() % kSize;
  return {begin, std::min(kSize, begin + 1 + random() % longest)};
}
WaitOptions briefly(Random& random, std::stop_token stop = {}) {
  return {std::move(stop), Clock::now() + std::chrono::microseconds(random() % 3000),
          random() % 4 == 0 ? WaitFor::any : WaitFor::all};
}

template <class D>
void read_everything(Run& run, Resource<D> resource, std::uint64_t thread) {
  Random random = run.random(thread);
  std::vector<std::byte> out(512);
  auto cursor = resource.cursor();
  while (!run.round_over()) {
    const ByteRange range = some_range(random, 500);
    const auto space = std::span(out).first(range.size());
    const std::uint64_t before = resource.status().generation;
    switch (random() % 6) {
      case 0: {
        const auto count = resource.read_at(range.begin, space);
        note(run, count, "read_at", Allowed<D>::kRead);
        check_bytes(run, resource, before, range.begin, space.first(count.value_or(0)));
        break;
      }
      case 1: {
        const auto count = resource.wait_read_at(range.begin, space, briefly(random));
        note(run, count, "wait_read_at", Allowed<D>::kWaitingRead);
        check_bytes(run, resource, before, range.begin, space.first(count.value_or(0)));
        break;
      }
      case 2: {
        const std::uint64_t from = cursor->position();
        const auto count = cursor->read(space, briefly(random));
        note(run, count, "cursor", Allowed<D>::kWaitingRead);
        check_bytes(run, resource, before, from, space.first(count.value_or(0)));
        if (count.value_or(0) == 0) {
          note(run, cursor->seek(random() % kSize), "seek", kNone);
        }
        break;
      }
      case 3: {
        const auto view = resource.view(range);
        note(run, view, "view", Allowed<D>::kRead);
        if (view) {
          check_bytes(run, resource, before, view->range().begin, view->bytes());
          std::this_thread::yield();
          check_bytes(run, resource, before, view->range().begin, view->bytes());
        }
        break;
      }
      case 4:
        note(run, resource.wait_range(range, briefly(random)), "wait_range", Allowed<D>::kWait);
        break;
      default:
        (void)resource.contains(range);
        (void)resource.next_gap(range.begin, range.end);
        (void)resource.stats();
        note(run, resource.available(), "available", kNone);
        resource.check_invariants();
    }
  }
}

// Waits without a thread, each with a stop_token and a deadline, each called back exactly once.
template <class D>
void wait_for_callbacks(Run& run, Resource<D> resource, std::uint64_t thread) {
  struct Pending {
    std::atomic<int> calls{0};
    std::stop_source stop;
  };
  Random random = run.random(thread);
  std::vector<std::shared_ptr<Pending>> pending;
  const auto called = [&](const Pending& one) {
    run.expect(eventually([&] { return one.calls == 1; }), "a callback was not called");
  };
  while (!run.round_over()) {
    auto one = std::make_shared<Pending>();
    resource.async_wait(some_range(random, 300), briefly(random, one->stop.get_token()),
                        [&run, one](Result<WaitOutcome> outcome) {
                          note(run, outcome, "async_wait", Allowed<D>::kWait);
                          run.expect(++one->calls == 1, "a callback was called twice");
                        });
    pending.push_back(std::move(one));
    if (pending.size() > 50) {
      const std::size_t chosen = random() % pending.size();
      (void)pending[chosen]->stop.request_stop();
      called(*pending[chosen]);
      pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(chosen));
    }
  }
  for (const auto& one : pending) {
    called(*one);
  }
}

// Told of each byte of a generation at most once before it is evicted, one call at a time, none after the end.
class OnceObserver final : public AvailabilityObserver {
 public:
  OnceObserver(Run& run, bool from_start)
      : run_(run), from_start_(from_start), knows_all_(from_start), generation_(from_start ? 1 : 0) {}
  void on_write(ByteRange range) noexcept override {
    enter();
    for (std::uint64_t i = range.begin; i < range.end && i < kSize; ++i) {
      run_.expect(!seen_[i], "a byte was reported twice");
      seen_[i] = true;
    }
    leave();
  }
  void on_evict(ByteRange range) noexcept override {
    enter();
    for (std::uint64_t i = range.begin; i < range.end && i < kSize; ++i) {
      run_.expect(seen_[i] || !knows_all_, "an eviction before its write");
      seen_[i] = false;
    }
    leave();
  }
  void on_reactivate(std::uint64_t generation) noexcept override {
    enter();
    if (generation != generation_) {
      // After a rewrite that failed the old generation goes on, whose bytes were reported long ago.
      knows_all_ = from_start_ && generation > generation_;
      seen_.fill(false);
      generation_ = generation;
    }
    leave();
  }
  void gone() noexcept { gone_ = true; }

 private:
  void enter() noexcept {
    run_.expect(!gone_, "an observer was called after unsubscribe");
    run_.expect(inside_.fetch_add(1) == 0, "two calls of an observer at a time");
  }
  void leave() noexcept { --inside_; }

  Run& run_;
  const bool from_start_;
  std::atomic<bool> gone_{false};
  std::atomic<int> inside_{0};
  // Unsynchronised on purpose: calls come one at a time, and TSan checks that.
  bool knows_all_;
  std::uint64_t generation_;  // 0: one that came late does not know
  std::array<bool, kSize> seen_{};
};

template <class D>
void subscribe_and_leave(Run& run, Resource<D> resource, std::uint64_t thread) {
  Random random = run.random(thread);
  while (!run.round_over()) {
    const auto observer = std::make_shared<OnceObserver>(run, false);
    auto subscription = resource.subscribe(observer);
    note(run, subscription, "subscribe", kNone);
    run.yield_for(random() % 500);
    subscription->unsubscribe();
    observer->gone();
  }
}

// A writer and the generation that it fills: one thing, so that nobody pairs the one with another's.
template <class D>
struct Job {
  Writer<D> writer;
  const std::uint64_t generation;
};

// The job that all writing threads share. The lock is held to take it or to swap it, never during a call: writes
// of the old writer go on while its successor comes.
template <class D>
class Desk {
 public:
  explicit Desk(Writer<D> first) { give(std::move(first), 1); }
  [[nodiscard]] std::shared_ptr<Job<D>> job() const {
    const std::scoped_lock lock(mutex_);
    return job_;
  }
  void give(Writer<D> writer, std::uint64_t generation) {
    // The old one goes outside the lock, with the last write that uses it.
    auto job = std::make_shared<Job<D>>(Job<D>{std::move(writer), generation});
    const std::scoped_lock lock(mutex_);
    job_.swap(job);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<Job<D>> job_;
};

template <class D>
void write_pieces(Run& run, const Desk<D>& desk, std::uint64_t thread) {
  Random random = run.random(thread);
  std::uint64_t next = 0;
  while (!run.round_over()) {
    const auto job = desk.job();
    const ByteRange range = random() % 3 == 0 ? some_range(random, 700) : ByteRange{next, std::min(kSize, next + 97)};
    next = range.end >= kSize ? 0 : range.end;
    const auto bytes = content(range, job->generation);
    note(run, job->writer.write_at(range.begin, bytes, briefly(random)), "write_at", Allowed<D>::kWrite);
  }
}

// Ends a writer's time in some way, with its writes in flight. Did it end? Nobody else ends it, so that but for a
// cancellation it may.
template <class D>
bool end_writing(Run& run, const Resource<D>& resource, Writer<D>& writer, Random& random) {
  const auto ended = [&run](const Result<void>& result, const char* what, Codes allowed) {
    note(run, result, what, allowed);
    return result.has_value();
  };
  switch (random() % 7) {
    case 0:
      note(run, writer.set_length(kSize), "set_length", kCancelled);
      return false;
    case 1:
      note(run, writer.sync(), "sync", Allowed<D>::kSync);
      return false;
    case 2:
      return ended(writer.commit(), "commit", Allowed<D>::kCommit);
    case 3:
      return ended(writer.commit(resource.next_gap(0).value_or(ByteRange{kSize, kSize}).begin), "commit at",
                   Allowed<D>::kCommitAt);
    case 4:
      return ended(writer.fail(Error::make(Errc::io, "stress")), "fail", kCancelled);
    default:
      return ended(writer.abandon(random() % 2 == 0 ? Abandon::stop : Abandon::handover), "abandon", kCancelled);
  }
}

template <class D>
void disturb(Run& run, Resource<D> resource, Desk<D>& desk, std::uint64_t thread) {
  Random random = run.random(thread);
  std::uint64_t newest = 1;
  while (!run.round_over()) {
    run.yield_for(random() % 100);
    if (random() % 2 == 0) {
      resource.interrupt();
      continue;
    }
    const auto job = desk.job();
    if (!end_writing(run, resource, job->writer, random)) {
      continue;
    }
    run.yield_for(random() % 50);
    const ResourceStatus status = resource.status();
    const bool rewrite = random() % 2 == 0;
    auto writer = resource.reactivate(rewrite ? Reactivate::rewrite : Reactivate::resume);
    note(run, writer, "reactivate", kCancelled);
    if (writer) {
      // Of a rewrite that failed nothing goes on.
      const std::uint64_t resumed = status.state == State::active ? job->generation : status.generation;
      desk.give(std::move(*writer), rewrite ? ++newest : resumed);
      ++run.generations;
    }
  }
}

// One resource from its opening to its cancellation, or to the dropping of its last handle.
template <class D>
void play_round(Run& run, typename D::Options options) {
  run.over = false;
  Random random = run.random(0);
  const auto observer = std::make_shared<OnceObserver>(run, true);
  auto resource = std::make_unique<Resource<D>>(required(Resource<D>::open(std::move(options), observed_by(observer))));
  Desk<D> desk(required(resource->writer()));
  std::vector<std::thread> threads;
  threads.emplace_back([&run, copy = *resource] { read_everything(run, copy, 1); });
  threads.emplace_back([&run, copy = *resource] { read_everything(run, copy, 2); });
  threads.emplace_back([&run, copy = *resource] { wait_for_callbacks(run, copy, 3); });
  threads.emplace_back([&run, copy = *resource] { subscribe_and_leave(run, copy, 4); });
  threads.emplace_back([&run, copy = *resource, &desk] { disturb(run, copy, desk, 5); });
  threads.emplace_back([&run, &desk] { write_pieces(run, desk, 6); });
  threads.emplace_back([&run, &desk] { write_pieces(run, desk, 7); });
  const auto limit = std::min(run.end, Clock::now() + std::chrono::milliseconds(50 + random() % 300));
  while (Clock::now() < limit && !run.round_over()) {
    std::this_thread::yield();
  }
  if (random() % 2 == 0) {
    resource->cancel();
    run.yield_for(200);
    run.expect(resource->status().state == State::cancelled, "not cancelled");
    resource->check_invariants();
  }
  resource.reset();
  run.over = true;
  for (auto& thread : threads) {
    thread.join();
  }
  ++run.rounds;
}

template <class D>
void play(const char* name, const std::function<typename D::Options()>& options) {
  Run run(name);
  do {
    play_round<D>(run, options());
  } while (Clock::now() < run.end && run.wrong == 0);
  std::cout << "  " << run.rounds << " rounds, " << run.generations << " reactivations, " << run.calls << " calls, "
            << run.bytes_checked << " bytes checked" << std::endl;
  if (run.wrong != 0) {
    last_words.text += "FAILED: stress " + run.name + ": " + run.complaint +
                       "; repeat it with STRANDLINE_STRESS_SEED=" + std::to_string(run.seed) + "\n";
  }
  CHECK_MESSAGE(run.wrong == 0, run.complaint);
  CHECK(run.bytes_checked > 0);
}

}  // namespace

TEST_CASE_TEMPLATE("stress: readers, writers, callbacks, observers and changes of mind", D, STRANDLINE_BACKENDS) {
  std::optional<Subject<D>> subject;  // a new one every round: what one committed the next would find
  play<D>(std::is_same_v<D, MemoryDriver> ? "memory"
          : std::is_same_v<D, MmapDriver> ? "mmap"
                                          : "ring",
          [&] {
            subject.emplace();
            return subject->options();
          });
}

TEST_CASE("stress: a ring whose writers wait for the slowest cursor") {
  play<RingDriver>("blocking ring", [] { return ring_of(kRingCapacity, Overflow::block); });
}
