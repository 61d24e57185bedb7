// Many threads on one resource, disturbed at random: every byte anybody reads is checked against what it must be.
// The content is a pure function of (offset, generation), so no reader needs to know what the writers did.
#include <tests/resource/subjects.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <random>
#include <shared_mutex>

using namespace strandline;
using namespace strandline::testing;

namespace {

using Clock = std::chrono::steady_clock;
using Random = std::mt19937_64;

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// Shared by the threads of one program run; a round is one resource's life.
struct Run {
  explicit Run(const char* name)
      : seed(number_from_environment("STRANDLINE_STRESS_SEED", std::random_device()())),
        end(Clock::now() + std::chrono::milliseconds(number_from_environment("STRANDLINE_STRESS_SECONDS", 4) * 250)) {
    std::cout << "stress " << name << ": STRANDLINE_STRESS_SEED=" << seed << std::endl;
  }
  [[nodiscard]] Random random(std::uint64_t thread) const { return Random(seed + rounds * 1009 + thread * 1000003); }
  // Remembers what was wrong first; the round then ends.
  void expect(bool right, const char* what) {
    if (!right && wrong.fetch_add(1) == 0) {
      complaint = what;
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

  const std::uint64_t seed;
  const Clock::time_point end;
  std::uint64_t rounds = 0;  // changes between rounds only
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<const char*> complaint{""};
  std::atomic<std::uint64_t> bytes_checked{0};
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> generations{0};
};

// May be the answer to a call while everything else happens.
bool allowed(Errc code) {
  switch (code) {
    case Errc::not_available:
    case Errc::evicted:
    case Errc::committed:
    case Errc::failed:
    case Errc::cancelled:
    case Errc::incomplete:
    case Errc::no_writer:
    case Errc::timed_out:
    case Errc::interrupted:
    case Errc::invalid_range:  // past a length that has become known
    case Errc::conflict:       // a length that contradicts; of bytes it is looked at by itself
    case Errc::unsupported:    // sync, in memory
      return true;
    default:
      return false;
  }
}
template <class T>
void note(Run& run, const Result<T>& result, const char* what) {
  ++run.calls;
  if (!result && !allowed(result.error().code)) {
    std::cout << "  " + std::string(what) + ": " + result.error().message() + "\n" << std::flush;
    run.expect(false, what);
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
        note(run, count, "read_at");
        check_bytes(run, resource, before, range.begin, space.first(count.value_or(0)));
        break;
      }
      case 1: {
        const auto count = resource.wait_read_at(range.begin, space, briefly(random));
        note(run, count, "wait_read_at");
        check_bytes(run, resource, before, range.begin, space.first(count.value_or(0)));
        break;
      }
      case 2: {
        const std::uint64_t from = cursor->position();
        const auto count = cursor->read(space, briefly(random));
        note(run, count, "cursor");
        check_bytes(run, resource, before, from, space.first(count.value_or(0)));
        if (count.value_or(0) == 0) {
          note(run, cursor->seek(random() % kSize), "seek");
        }
        break;
      }
      case 3: {
        const auto view = resource.view(range);
        note(run, view, "view");
        if (view) {
          check_bytes(run, resource, before, view->range().begin, view->bytes());
          std::this_thread::yield();
          check_bytes(run, resource, before, view->range().begin, view->bytes());
        }
        break;
      }
      case 4:
        note(run, resource.wait_range(range, briefly(random)), "wait_range");
        break;
      default:
        (void)resource.contains(range);
        (void)resource.next_gap(range.begin, range.end);
        (void)resource.stats();
        note(run, resource.available(), "available");
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
                          note(run, outcome, "async_wait");
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
    note(run, subscription, "subscribe");
    run.yield_for(random() % 500);
    subscription->unsubscribe();
    observer->gone();
  }
}

// The writer that all writing threads share, and the generation that it fills.
template <class D>
struct Desk {
  std::shared_mutex mutex;                 // exclusively: to change what is below
  std::atomic<bool> change_wanted{false};  // lest the writers never leave a gap
  Writer<D> writer;
  std::uint64_t generation = 1;
  std::uint64_t newest = 1;
};

template <class D>
void write_pieces(Run& run, Desk<D>& desk, std::uint64_t thread) {
  Random random = run.random(thread);
  std::uint64_t next = 0;
  while (!run.round_over()) {
    while (desk.change_wanted && !run.round_over()) {
      std::this_thread::yield();
    }
    const std::shared_lock lock(desk.mutex);
    const ByteRange range = random() % 3 == 0 ? some_range(random, 700) : ByteRange{next, std::min(kSize, next + 97)};
    next = range.end >= kSize ? 0 : range.end;
    const auto written = desk.writer.write_at(range.begin, content(range, desk.generation), briefly(random));
    note(run, written, "write_at");
    run.expect(written || written.error().code != Errc::conflict, "equal bytes were a conflict");
  }
}

// Ends a writer's time in some way, with its writes in flight. Did it end?
template <class D>
bool end_writing(Run& run, const Resource<D>& resource, Desk<D>& desk, Random& random) {
  Result<void> ended;
  switch (random() % 7) {
    case 0:
      note(run, desk.writer.set_length(kSize), "set_length");
      return false;
    case 1:
      note(run, desk.writer.sync(), "sync");
      return false;
    case 2:
      ended = desk.writer.commit();
      break;
    case 3:
      ended = desk.writer.commit(resource.next_gap(0).value_or(ByteRange{kSize, kSize}).begin);
      break;
    case 4:
      ended = desk.writer.fail(Error::make(Errc::io, "stress"));
      break;
    default:
      ended = desk.writer.abandon(random() % 2 == 0 ? Abandon::stop : Abandon::handover);
  }
  note(run, ended, "ending a writer");
  return ended.has_value();
}

template <class D>
void disturb(Run& run, Resource<D> resource, Desk<D>& desk, std::uint64_t thread) {
  Random random = run.random(thread);
  while (!run.round_over()) {
    run.yield_for(random() % 100);
    if (random() % 2 == 0) {
      resource.interrupt();
      continue;
    }
    if (!end_writing(run, resource, desk, random)) {
      continue;
    }
    run.yield_for(random() % 50);
    desk.change_wanted = true;
    const std::scoped_lock lock(desk.mutex);
    desk.change_wanted = false;
    const ResourceStatus status = resource.status();
    const bool rewrite = random() % 2 == 0;
    auto writer = resource.reactivate(rewrite ? Reactivate::rewrite : Reactivate::resume);
    note(run, writer, "reactivate");
    if (writer) {
      desk.writer = std::move(*writer);
      if (rewrite) {
        desk.generation = ++desk.newest;
      } else if (status.state != State::active) {
        desk.generation = status.generation;  // of a rewrite that failed nothing goes on
      }
      ++run.generations;
    }
  }
}

// One resource from its opening to its cancellation, or to the dropping of its last handle.
template <class D>
void play_round(Run& run, typename D::Options options) {
  run.over = false;
  Random random = run.random(0);
  Desk<D> desk;
  const auto observer = std::make_shared<OnceObserver>(run, true);
  auto resource = std::make_unique<Resource<D>>(required(Resource<D>::open(std::move(options), observed_by(observer))));
  desk.writer = required(resource->writer());
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
  CHECK_MESSAGE(run.wrong == 0, std::string(run.complaint.load()));
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
