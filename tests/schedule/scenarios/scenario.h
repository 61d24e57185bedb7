// What scenarios are made of: fibers, a resource on a driver whose calls can be interrupted half way, known bytes,
// and answers as words.
// Threads: fibers. Blocks: as the resource. Errors: a broken expectation fails the schedule. Cost: small; contents are
// made once. Lifetime: within one schedule.
#pragma once

#include <strandline/drivers/memory.h>
#include <strandline/drivers/ring.h>
#include <strandline/resource/resource.h>
#include <tests/schedule/explorer/explore.h>

#include <array>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <utility>

namespace strandline::schedule {

// The lists; each in a file of its own.
[[nodiscard]] std::span<const Scenario> wait_scenarios();
[[nodiscard]] std::span<const Scenario> wake_scenarios();
[[nodiscard]] std::span<const Scenario> state_scenarios();
[[nodiscard]] std::span<const Scenario> write_scenarios();
[[nodiscard]] std::span<const Scenario> ring_scenarios();
[[nodiscard]] std::span<const Scenario> call_scenarios();
[[nodiscard]] std::span<const Scenario> hit_scenarios();
[[nodiscard]] std::span<const Scenario> eviction_scenarios();
[[nodiscard]] std::span<const Scenario> demand_scenarios();
[[nodiscard]] std::span<const Scenario> shared_scenarios();

// Run before all else. What the library makes once per thread and keeps for later ones is then made for as many as
// there can be, so that schedules do not depend on what ran before them, and a replay is one.
[[nodiscard]] const Scenario& warm_up();

inline void spawn(const char* name, std::function<void()> body) {
  Scheduler::self().spawn(name, std::move(body));
}
inline void join() {
  Scheduler::self().join();
}
inline Time soon() {
  return Scheduler::self().now() + std::chrono::milliseconds(1);
}

// A driver whose reads and writes come in two halves, between which, and before which, others may run.
template <Driver D>
class Slowly {
 public:
  using Options = typename D::Options;
  [[nodiscard]] Result<DriverState> open(Options options) { return driver_->open(std::move(options)); }
  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const {
    pause("driver read");
    const std::size_t half = out.size() / 2;
    if (half > 0) {
      auto count = driver_->read_at(offset, out.first(half));
      if (!count || *count < half) {
        return count;
      }
      pause("driver read");
    }
    auto count = driver_->read_at(offset + half, out.subspan(half));
    pause("driver read end");
    return count ? Result<std::size_t>(*count + half) : count;
  }
  [[nodiscard]] Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data) {
    pause("driver write");
    const std::size_t half = data.size() / 2;
    if (half > 0) {
      auto count = driver_->write_at(offset, data.first(half));
      if (!count || *count < half) {
        return count;
      }
      pause("driver write");
    }
    auto count = driver_->write_at(offset + half, data.subspan(half));
    pause("driver write end");
    return count ? Result<std::size_t>(*count + half) : count;
  }
  [[nodiscard]] Result<void> commit(std::uint64_t length) {
    pause("driver commit");
    auto done = driver_->commit(length);
    pause("driver commit end");
    return done;
  }
  [[nodiscard]] Result<void> reactivate() {
    pause("driver reactivate");
    return driver_->reactivate();
  }
  [[nodiscard]] std::uint64_t storage_len() const { return driver_->storage_len(); }
  [[nodiscard]] std::filesystem::path path() const { return {}; }
  [[nodiscard]] Result<std::unique_ptr<Slowly>> rewrite() {
    pause("driver rewrite");
    auto made = driver_->rewrite();
    if (!made) {
      return fail(std::move(made.error()));
    }
    auto next = std::make_unique<Slowly>();
    next->driver_ = std::move(*made);
    pause("driver rewrite end");
    return next;
  }
  // Leaves something else in the place of the bytes.
  [[nodiscard]] Result<void> evict(ByteRange range) requires(!HasWindow<D>) {
    pause("driver evict");
    auto overwritten = driver_->write_at(range.begin, kNothing.first(range.size()));
    pause("driver evict end");
    return overwritten ? Result<void>() : strandline::fail(std::move(overwritten.error()));
  }
  [[nodiscard]] Result<DriverView> view(ByteRange range) const {
    pause("driver view");
    return driver_->view(range);
  }
  [[nodiscard]] ByteRange valid_window(std::uint64_t end) const noexcept requires HasWindow<D> {
    return driver_->valid_window(end);
  }
  [[nodiscard]] Overflow overflow() const noexcept requires HasWindow<D> { return driver_->overflow(); }

 private:
  static constexpr std::array<std::byte, 4 * 4096> kZeros{};
  static constexpr std::span<const std::byte> kNothing{kZeros};
  static void pause(const char* what) { Scheduler::self().before(what, nullptr); }
  std::unique_ptr<D> driver_ = std::make_unique<D>();
};
using Memory = Slowly<MemoryDriver>;
using Ring = Slowly<RingDriver>;

template <class T>
T required(Result<T> result) {
  if (!result) {
    Scheduler::self().fail("unexpected: " + result.error().message());
  }
  return std::move(*result);
}
inline void required(const Result<void>& result) {
  if (!result) {
    Scheduler::self().fail("unexpected: " + result.error().message());
  }
}

inline constexpr std::uint64_t kBlock = 4096;  // what an eviction frees
inline constexpr std::uint64_t kLongest = 4 * kBlock;

// The byte that belongs at an offset in a generation; those of two generations differ everywhere.
constexpr std::byte byte_at(std::uint64_t offset, std::uint64_t generation = 1) {
  return static_cast<std::byte>((offset * 131 + (offset >> 8) * 17 + generation * 59 + 1) & 0xff);
}
[[nodiscard]] std::span<const std::byte> content(ByteRange range, std::uint64_t generation = 1);

[[nodiscard]] Resource<Memory> opened_memory(std::uint64_t expected_length = 64);
[[nodiscard]] Resource<Ring> opened_ring(std::uint64_t capacity, Overflow overflow = Overflow::overwrite);

// "ready", "timed_out", "!failed"
[[nodiscard]] std::string_view word(const Result<WaitOutcome>& outcome);
template <class T>
[[nodiscard]] std::string_view word(const Result<T>& result) {
  return result ? std::string_view("ok") : to_string(result.error().code);
}
void expect_word(std::string_view said, std::initializer_list<std::string_view> allowed, const char* what);

template <class D>
void write(Writer<D>& writer, ByteRange range, std::uint64_t generation = 1) {
  required(writer.write_at(range.begin, content(range, generation)));
}
template <class D>
std::string_view wait(const Resource<D>& resource, ByteRange range, std::initializer_list<std::string_view> allowed,
                      const WaitOptions& options = {}) {
  const auto said = word(resource.wait_range(range, options));
  expect_word(said, allowed, "a wait");
  return said;
}
// Which generation's bytes these are, whole; 0 for none of the first three, or a mixture.
[[nodiscard]] std::uint64_t generation_of(std::uint64_t offset, std::span<const std::byte> bytes);

// Reads what must be there, of that generation.
template <class D>
void read(const Resource<D>& resource, ByteRange range, std::uint64_t generation = 1) {
  std::array<std::byte, kLongest> bytes;
  const auto out = std::span(bytes).first(range.size());
  const std::size_t count = required(resource.read_at(range.begin, out));
  expect(count == range.size(), "a read was short");
  expect(generation_of(range.begin, out) == generation, "a read brought other bytes");
}
// The generation of what a read brings, or 0 when it brings nothing, with one of the allowed words or at the end.
template <class D>
std::uint64_t try_read(const Resource<D>& resource, ByteRange range, std::initializer_list<std::string_view> allowed,
                       std::size_t* count = nullptr) {
  std::array<std::byte, kLongest> bytes;
  const auto out = std::span(bytes).first(range.size());
  const auto got = resource.read_at(range.begin, out);
  if (!got) {
    expect_word(word(got), allowed, "a read");
  }
  const std::size_t size = got.value_or(0);
  if (count != nullptr) {
    *count = size;
  }
  if (size == 0) {
    return 0;
  }
  const std::uint64_t generation = generation_of(range.begin, out.first(size));
  expect(generation != 0, "a read brought bytes of two generations, or of none");
  return generation;
}

// A view, if there is one, stays as it is: as long as it is held no other bytes come in its place.
template <class D>
void view_stays(const Resource<D>& resource, ByteRange range, std::initializer_list<std::string_view> allowed) {
  const auto view = resource.view(range);
  expect_word(word(view), allowed, "a view");
  if (view && !view->bytes().empty()) {
    const std::uint64_t first = generation_of(range.begin, view->bytes());
    Scheduler::self().before("look again", nullptr);
    expect(first != 0 && generation_of(range.begin, view->bytes()) == first, "a view changed under its holder");
  }
}

// Has [0, 8) cut to 4 by a commit, and the rest written anew.
template <class D>
void commit_below_and_resume(Resource<D>& resource, Writer<D>& writer) {
  required(writer.commit(4));
  auto next = required(resource.reactivate(Reactivate::resume));
  write(next, {4, 8}, 2);
  required(next.abandon(Abandon::handover));
}

// What must hold at the end of every schedule.
template <class D>
void check(const Resource<D>& resource) {
  resource.check_invariants();
  expect(resource.stats().parked == 0, "a wait is left behind");
}

}  // namespace strandline::schedule
